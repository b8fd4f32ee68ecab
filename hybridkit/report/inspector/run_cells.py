"""An extension of Jupyter's server that runs a notebook's cells before it is opened, in the kernel that it will have.

JupyterLab runs no cells when it opens a notebook, and a widget without its kernel does nothing. So the kernel starts
with the server, as the session of that notebook, and the outputs are written into it: JupyterLab then takes both.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbformat import NotebookNode

NOTEBOOK = "HYBRIDKIT_INSPECT"  # variable of the environment: the notebook's path below the server's folder


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(app: Any) -> None:
    """Run the cells before the server says its address; what fails is in the log, and the server starts all the same.

    An error of a cell is shown below it, as ever, and the cells behind it are not run.
    """
    name = os.environ.pop(NOTEBOOK, "")
    if not name:
        return
    app.log.info("Running the cells of %s ...", name)
    try:
        app.io_loop.run_sync(lambda: _run(app, name))
    finally:
        app.init_signal()  # nbclient takes the handlers of Ctrl-C away


async def _run(app: Any, name: str) -> None:
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    from hybridkit.utils.files import write_text

    path = Path(app.root_dir) / name
    notebook: NotebookNode = nbformat.read(path, as_version=4)
    session = await app.session_manager.create_session(path=name, name=name, type="notebook", kernel_name="python3")
    kernel = app.kernel_manager.get_kernel(session["kernel"]["id"])
    client = NotebookClient(
        notebook,
        km=kernel,
        timeout=None,
        store_widget_state=False,
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    try:
        await client.async_execute()
    except (CellExecutionError, DeadKernelError) as error:
        app.log.warning("%s: a cell failed: %s", name, str(error).strip().rpartition("\n")[2])
    finally:
        if client.kc is not None:
            client.kc.stop_channels()
    write_text(path, nbformat.writes(notebook) + "\n")
    app.contents_manager.notary.sign(notebook)  # its outputs are our own: a widget is shown in trusted notebooks only
