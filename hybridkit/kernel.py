"""The kernel of the notebooks: always the interpreter that runs the kit; an error within seconds once it is dead."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from subprocess import Popen
from threading import Event, Thread, current_thread, main_thread
from typing import Any

from ipykernel.kernelspec import RESOURCES, get_kernel_dict
from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from traitlets import default

PATIENCE = 10.0  # seconds in which whoever waits for a dead kernel notices by himself


class DeadKernelError(RuntimeError):
    """The kernel of a notebook died, and nobody had noticed."""


class OwnSpecs(KernelSpecManager):
    """The kernels of this machine, of which python3 is this interpreter, whatever spec of that name lies there."""

    def find_kernel_specs(self) -> dict[str, str]:
        """The folder of each kernel by its name."""
        return {**super().find_kernel_specs(), NATIVE_KERNEL_NAME: RESOURCES}

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """The spec of a kernel.

        >>> import sys
        >>> OwnSpecs().get_kernel_spec("python3").argv[0] == sys.executable
        True
        """
        if kernel_name == NATIVE_KERNEL_NAME:
            return KernelSpec(resource_dir=RESOURCES, **get_kernel_dict())
        return super().get_kernel_spec(kernel_name)


@contextmanager
def own_kernel() -> Iterator[type[AsyncKernelManager]]:
    """Give the class of managers that start the kernel; when the block ends, it and all it started are ended.

    Raises DeadKernelError where the block goes on waiting for a kernel that is dead.
    """
    started: list[Popen[bytes]] = []
    over, stuck = Event(), Event()

    class Manager(AsyncKernelManager):
        @default("kernel_spec_manager")
        def _specs(self) -> KernelSpecManager:
            return OwnSpecs()

        async def _async_launch_kernel(self, kernel_cmd: list[str], **options: Any) -> None:  # noqa: ANN401
            await super()._async_launch_kernel(kernel_cmd, **options)
            started.append(self.provisioner.process)  # type: ignore[union-attr]
            Thread(target=watch, args=(started[-1],), daemon=True).start()

    def watch(process: Popen[bytes]) -> None:
        while process.poll() is None and not over.wait(0.5):
            pass
        if not over.wait(PATIENCE) and waiting is main_thread():
            stuck.set()
            signal.pthread_kill(waiting.ident or 0, signal.SIGINT)

    waiting = current_thread()
    try:
        yield Manager
    except KeyboardInterrupt:
        if stuck.is_set():
            raise DeadKernelError("Kernel died") from None
        raise
    finally:
        over.set()
        for process in started:  # a kernel leads a group of its own: what it started ends with it
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
