"""The distributed orchestrator for DFFML, and the primary that runs a bot with it.

The journey of a message, a module a step:

1. intake takes it from IN (or feed, what a caller gives to `run`), and has run start a
2. context: one run of the flow, which plan has compiled. It says what is ready;
3. turn runs that here (in the task of standby), subflow as a context of its own, or dispatch
   sends it to nodes over WORK and takes what comes back over DONE: parts what yields, large
   what lies in the object store. locked does so under the locks of locks and seeds.
4. The context takes the results, until nothing is outstanding; outputs is what it gives then,
5. which intake publishes to OUT.

orchestrator puts them together, placement says what runs where, primary is all of it for a bot.

| DFFML's interface | here |
|---|---|
| orchestrator | `orchestrator.NatsOrchestrator` |
| orchestrator context (`octx`: runs one dataflow) | `run.NatsOrchestratorContext` |
| input network (`ictx`) | `inputs.NatsMasterInputNetwork` |
| operation implementation network (`nctx`) | `networks.NatsPrimaryOperationImplementationNetwork` |
| lock network (`lctx`) | `locks.NatsPrimaryLockNetwork` |
| operation network, redundancy checker (`octx`, `rctx`) | `plan`: nothing is left to ask |

DFFML's word `ctx` names a context.
"""
