"""Several processes on this machine that train one model together, started by PyTorch's launcher."""

import os
import subprocess
import sys

from hybridkit.errors import TroubleError


def launch(processes: int, module: str, *words: str) -> None:
    """Run a module of the kit in some processes that know each other, and wait for all of them.

    They speak by NCCL where there are GPUs, one for each process, and by gloo on CPUs, whose cores they share. What
    they print is printed. Where one of them ends with an error or is killed, the others are ended too.

    Raises:
        TroubleError: Where they did not end well; checkpoints stay.
    """
    import torch

    environment = dict(os.environ)
    if not torch.cuda.is_available():
        environment["ACCELERATE_USE_CPU"] = "true"
    environment.setdefault("OMP_NUM_THREADS", str(max(1, torch.get_num_threads() // processes)))
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    ended = subprocess.run([sys.executable, *launcher, "-m", module, *words], env=environment, check=False)
    if ended.returncode:
        raise TroubleError(
            f"a training in {processes} processes did not end well (exit code {ended.returncode}); what they said is "
            "above; run the same command again, and it goes on from the last checkpoint"
        )
