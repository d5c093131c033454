"""The distributed orchestrator for DFFML, and the primary that runs a bot with it.

The journey of a message: intake (takes it from IN, publishes its outcome to OUT) → context (one
run of the flow) → plan (the compiled flow: what is ready) → dispatch (here, or WORK and DONE) →
back to context. orchestrator and inputs are DFFML's interfaces on top of it.

DFFML's words, explained once: `ctx` names a context; `octx` runs one dataflow; `ictx`, `nctx`,
`lctx` are its networks of inputs, of operation implementations and of locks.
"""
