"""Which package has an operation that is not installed, or lacks what it imports."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import Distribution

from chatbot.flowfile.catalog import Catalog
from chatbot.flowfile.problems import nearest

ELSEWHERE = {
    "dffml-operations-nlp": (
        *("remove_stopwords", "get_embedding", "pos_tagger", "lemmatizer", "get_similarity"),
        *("get_noun_chunks", "get_sentences", "count_vectorizer", "tfidf_vectorizer"),
    ),
    "dffml-operations-image": (
        *("flatten", "resize", "convert_color", "calcHist", "HuMoments", "Haralick", "normalize"),
    ),
    "dffml-feature-git": (
        *("clone_git_repo", "cleanup_git_repo", "git_commits", "git_repo_default_branch"),
        *("git_repo_commit_from_date", "git_repo_release", "git_grep", "count_authors"),
        *("make_quarters", "quarters_back_to_date", "git_repo_checkout", "work"),
        *("check_if_valid_git_repository_URL", "git_repo_author_lines_for_dates"),
        *("lines_of_code_by_language", "lines_of_code_to_comments"),
    ),
    "dffml-operations-deploy": (
        *("get_url_from_payload", "check_if_default_branch", "get_image_tag"),
        *("get_running_containers", "get_status_running_containers", "parse_docker_commands"),
        *("docker_build_image", "restart_running_containers", "check_secret_match"),
    ),
    "dffml-operations-binsec": (
        *("url_to_urlbytes", "urlbytes_to_tarfile", "urlbytes_to_rpmfile", "files_in_rpm"),
        *("is_binary_pie", "cleanup_rpm"),
    ),
    "dffml-feature-auth": ("scrypt",),
    "shouldi": (
        *("run_bandit", "safety_check", "pypi_package_json", "pypi_package_contents"),
        *("cleanup_pypi_package",),
    ),
}
"""DFFML's own packages of operations, and what is in them."""

_REQUIREMENT = re.compile(r"^([A-Za-z0-9][\w.-]*).*;.*extra\s*==\s*['\"]([\w-]+)['\"]")


def hint_for_unknown(name: str, installed: Iterable[str], *, named: bool) -> str:
    """Return the hint for an operation that is not `installed`.

    `named`: the file says what to run; else it is the instance's own name that is no operation.
    """
    for package, names in ELSEWHERE.items():
        if name in names:
            return f"it is in the package {package}: pip install {package}"
    known = list(installed)
    near = nearest(name.replace(":", ".").rpartition(".")[2] or name, known)
    if not named:
        meant = f"did you mean {near}? " if near else ""
        said = "" if near else ", or what it says: `reply: TEXT`"
        return f"{meant}say which it runs: `run: {near or 'OPERATION'}`{said}"
    module, colon, function = name.partition(":")
    if not near and colon and module.replace(".", "_").isidentifier() and function.isidentifier():
        path = module.replace(".", "/")
        return f"a function in a file is run by a flow file: `run: ./{path}.py:{function}`"
    return f"did you mean {near}?" if near else "`chatbot operations list` shows what is installed"


def hint_for_broken(catalog: Catalog, name: str, error: Exception) -> str:
    """Return what to install so that the installed operation `name` can be loaded, if known."""
    cause = error.__cause__
    distribution = catalog.point(name).dist
    if not isinstance(cause, ImportError) or not cause.name or distribution is None:
        return ""
    module = cause.name.partition(".")[0]
    extra = _extra(distribution, module)
    owner = distribution.metadata["Name"]
    if extra:
        return f"pip install '{owner}[{extra}]'"
    return f"it comes with the package {owner}: install that again, or what it needs"


def _extra(distribution: Distribution, module: str) -> str:
    """Return the extra of a distribution that brings `module`."""
    for requirement in distribution.requires or ():
        found = _REQUIREMENT.match(requirement)
        if found and found[1].lower().replace("-", "_") == module.lower():
            return found[2]
    return ""
