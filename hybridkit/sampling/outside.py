"""A plan as a Dataset that is read as planned or not at all: what `feed.plan_dataset` gives to a trainer."""

from multiprocessing.context import get_spawning_popen
from typing import Any

import numpy as np
from datasets import Dataset

from hybridkit.errors import InputError
from hybridkit.sampling.feed import processes_here
from hybridkit.sampling.negatives import spare_passage
from hybridkit.sampling.plan import BatchPlan
from hybridkit.sampling.texts import PlanTexts


class PlanDataset(Dataset):
    """A data set of `position`s that gives texts, and refuses a loader whose batches are not those of the plan.

    `share` is this process's number and the number of processes that share a plan batch; the sampler sets it, because a
    loader's worker cannot always know.
    """

    plan: BatchPlan
    share: tuple[int, int] | None = None

    @classmethod
    def make(cls, texts: PlanTexts, gaps: bool) -> "PlanDataset":
        """Make the data set of a plan's texts; `feed.plan_dataset` tells more."""
        plan = texts.plan
        made: PlanDataset = cls.from_dict({"position": np.arange(plan.draws.shape[0] * plan.draws.shape[1])})
        look_up = _LookUp(plan.fingerprint)
        made.set_transform(look_up)
        look_up.fill(texts, gaps)
        made.plan = plan
        return made

    def __getitems__(self, keys: list[int]) -> list[dict[str, str]]:
        """Give a loader's batch: InputError unless it is this process's part of one batch of the plan, in order."""
        rank, processes = self.share or processes_here()
        size = self.plan.draws.shape[1]
        part = size // processes
        if keys != list(range(keys[0], keys[0] + part)) or keys[0] % size != rank * part:
            raise InputError(
                f"a loader asks for {len(keys)} rows from position {keys[0]}, which is not what process {rank + 1} of "
                f"{processes} has to read of a plan with batches of {size}. Give the trainer's arguments "
                "**plan_arguments(plan), or batch_sampler=PlanBatchSampler with the batch size that it asks for, "
                f"accelerator_config={{'split_batches': False}} and no dispatch_batches"
            )
        found: list[dict[str, str]] = super().__getitems__(keys)
        return found


class _LookUp:
    """The transform of a PlanDataset: positions in, texts out."""

    def __init__(self, plan: str) -> None:
        self._fingerprint = plan

    def fill(self, texts: PlanTexts, gaps: bool) -> None:
        self._texts, self._gaps = texts, gaps

    def __call__(self, batch: dict[str, list[int]]) -> dict[str, list[Any]]:
        if not hasattr(self, "_texts"):
            raise InputError("a pickled plan_dataset holds no texts; make it again of the plan and the corpus")
        positions = batch["position"]
        found: dict[str, list[Any]] = dict(self._texts(np.array(positions, dtype=np.int64)))
        if "negative" in found and self._gaps:
            found["label"] = [int(bool(text)) for text in found["negative"]]
        elif "negative" in found:
            found["negative"] = [
                text or spare_passage(self._texts.plan, self._texts.corpus, position)
                for text, position in zip(found["negative"], positions, strict=True)
            ]
        return found

    def __getstate__(self) -> dict[str, Any]:
        # `datasets` pickles a transform to hash it, at every select(), and a corpus may be larger than memory; only a
        # loader's worker that is spawned needs it whole
        return vars(self) if get_spawning_popen() else {"_fingerprint": self._fingerprint}

    def __deepcopy__(self, memo: dict[int, Any]) -> "_LookUp":
        return self
