"""A batch plan for a script with sentence-transformers' own trainer: data set, batches and arguments.

The data set is read in the plan's order or not at all.
"""

import logging
import os
from collections.abc import Iterator
from multiprocessing.context import get_spawning_popen
from typing import Any

import numpy as np
from datasets import Dataset

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.errors import InputError
from hybridkit.sampling.plan import BatchPlan
from hybridkit.sampling.plan_texts import PlanTexts, spare_passage

log = logging.getLogger("hybridkit")


def plan_dataset(plan: BatchPlan, corpus: ParallelCorpus, *, negatives: bool = False, gaps: bool = False) -> "Dataset":
    """Return the plan's draws as a data set of `query` and `passage`, in the order of the plan.

    It stores the position of each draw (step * batch + slot, column `position`); texts are looked up when a batch is
    read, in any order and by any number of workers. A loader whose batches are not those of the plan, because rows are
    shuffled or because several processes do not share each batch, gets an InputError instead of texts.

    With `negatives` there is a third column, `negative`: the row's own hard negative where it may be in the batch
    (`usable_negatives`), else a random passage that answers no row of the batch, because the trainer wants a text in
    every row; a notice has their number. With `gaps` such rows have "" there and 0 in a column `label`, 1 in the
    others, for a loss that leaves them out, as that of `hybridkit.train` does.

    Raises InputError if the plan is of another corpus, and with `negatives` if no draw has one.
    """
    return texts_dataset(PlanTexts(plan, corpus, negatives=negatives), gaps=gaps)


def texts_dataset(texts: PlanTexts, *, gaps: bool = False, numbered: bool = False) -> "Dataset":
    """Return the data set of a plan's texts that are open already; see `plan_dataset`.

    Texts with twins have a last column, `twin`, and with `gaps` labels of two numbers a row: 1 for its negative, 1 for
    its twin, 0 for what it does not have. With the texts of a teacher they are four: after these two the places of the
    row's query and passage among them (`TeacherTexts`). Where they are `numbered` they are five: the last is the
    position of the draw, and places are -1 without a teacher.
    """
    plan, usable = texts.plan, texts.usable
    if texts.negatives:
        if usable is None:
            raise InputError(f"the plan of {plan.strategy}: no draw has a hard negative; mine some with mine_negatives")
        if not usable.all() and not gaps:
            log.warning(
                "%s of %s draws have no hard negative that can be used; they get a random passage",
                f"{int((~usable).sum()):,}",
                f"{usable.size:,}",
            )
    return PlanDataset.make(texts, gaps, numbered)


def plan_arguments(plan: BatchPlan) -> dict[str, Any]:
    """Return arguments of SentenceTransformerTrainingArguments for a trainer that reads the plan once, batch by batch.

    A plan batch is the batch of all processes together: each of n (as `accelerate launch` and `torchrun` start them)
    takes its own n-th of it. Use a loss that gathers negatives across devices, so that every query meets all of them.

    Raises InputError where the processes cannot share a batch equally.

    >>> import numpy as np
    >>> plan = BatchPlan(np.zeros((2, 8, 3), np.int32), np.array(["mono", "mono"]), ("en",), "mono", 0, "")
    >>> plan_arguments(plan)
    {'batch_sampler': <class '...PlanBatchSampler'>, 'per_device_train_batch_size': 8, 'num_train_epochs': 1}
    """
    size, (_, processes) = plan.draws.shape[1], processes_here()
    if size % processes:
        raise InputError(
            f"{processes} processes cannot share a plan batch of {size} rows equally; make the plan's batches a "
            f"multiple of {processes}"
        )
    return {"batch_sampler": PlanBatchSampler, "per_device_train_batch_size": size // processes, "num_train_epochs": 1}


class PlanBatchSampler:
    """Yields the positions of one planned batch after the other; the `batch_sampler` of `plan_arguments`.

    Whatever the trainer shuffles or seeds, the plan has fixed the order already: a training that is resumed reads the
    batches that are left, and a second epoch would read the same batches again (a notice says so). `batch_size` is the
    plan's, or with several processes each one's share of it; the first wants the trainer's `split_batches`, the second
    wants it off. Any other data set, say one for evaluation, is read in its order.

    Raises InputError for a batch size that does not fit the plan, and for a plan's data set whose rows were rearranged.

    >>> list(PlanBatchSampler(range(4), batch_size=2))
    [[0, 1], [2, 3]]
    """

    def __init__(self, dataset: Any, batch_size: int, drop_last: bool = False, **_: Any) -> None:
        self.size, self.batch_size, self.drop_last = len(dataset), batch_size, drop_last
        self._steps = 0
        plan = getattr(dataset, "plan", None)
        if isinstance(plan, BatchPlan):
            self._steps = len(plan)
            dataset.share = _share(plan.draws.shape[1], batch_size)
        elif getattr(dataset, "column_names", None) == ["position"]:
            raise InputError("the rows of plan_dataset were selected or shuffled; give it to the trainer as it is")

    def __len__(self) -> int:
        """Number of batches."""
        return self.size // self.batch_size if self.drop_last else -(-self.size // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        """Positions of each batch, in the order of the plan."""
        for first in range(0, len(self) * self.batch_size, self.batch_size):
            yield list(range(first, min(first + self.batch_size, self.size)))

    def set_epoch(self, epoch: int) -> None:
        """Warn once where the plan begins again; nothing else changes from epoch to epoch."""
        if epoch and self._steps:
            log.warning(
                "epoch %d reads the plan of %s batches again, the same as before; for new ones set num_train_epochs=1 "
                "and make a longer plan",
                epoch + 1,
                f"{self._steps:,}",
            )
            self._steps = 0  # once is enough


def _share(size: int, batch_size: int) -> tuple[int, int]:
    """This process and how many share a plan batch; InputError where the trainer's batch size cannot mean that."""
    rank, processes = processes_here()
    if batch_size not in (size, size / processes):
        each = f", or {size / processes:g} for each of {processes} processes" if processes > 1 else ""
        raise InputError(
            f"the trainer's batches have {batch_size} rows (per_device_train_batch_size or per_device_eval_batch_size, "
            f"times the GPUs of a process), those of the plan {size}{each}; give the arguments **plan_arguments(plan), "
            "or make the plan with batch_size to match"
        )
    return rank, processes


def processes_here() -> tuple[int, int]:
    """Return the number of this process, and how many train together, from torch.distributed or the launcher."""
    import torch.distributed

    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


class PlanDataset(Dataset):
    """A data set from positions to texts, which refuses a loader whose batches are not those of the plan.

    `share` is this process's number and the number of processes that share a plan batch; the sampler sets it, because a
    loader's worker cannot always know.
    """

    plan: BatchPlan
    share: tuple[int, int] | None = None

    @classmethod
    def make(cls, texts: Any, gaps: bool, numbered: bool = False) -> "PlanDataset":
        """Return the data set of a plan's texts, `PlanTexts` or `PlanPairs`; see `texts_dataset`."""
        plan: BatchPlan = texts.plan
        made: PlanDataset = cls.from_dict({"position": np.arange(plan.draws.shape[0] * plan.draws.shape[1])})
        look_up = _LookUp(plan.fingerprint)
        made.set_transform(look_up)
        look_up.fill(texts, gaps, numbered)
        made.plan = plan
        return made

    def __getitems__(self, keys: list[int]) -> list[dict[str, str]]:
        """Return a loader's batch; InputError unless it is this process's share of one batch of the plan, in order."""
        rank, processes = self.share or processes_here()
        size = self.plan.draws.shape[1]
        own = size // processes
        if keys != list(range(keys[0], keys[0] + own)) or keys[0] % size != rank * own:
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

    def fill(self, texts: Any, gaps: bool, numbered: bool) -> None:
        self._texts, self._gaps, self._numbered = texts, gaps, numbered

    def __call__(self, batch: dict[str, list[int]]) -> dict[str, list[Any]]:
        if not hasattr(self, "_texts"):
            raise InputError("a pickled plan_dataset holds no texts; make it again of the plan and the corpus")
        positions = batch["position"]
        found: dict[str, list[Any]] = dict(self._texts(np.array(positions, dtype=np.int64)))
        if self._gaps:
            found |= self._labels(found, positions)
        elif "negative" in found:
            found["negative"] = [
                text or spare_passage(self._texts.plan, self._texts.corpus, position)
                for text, position in zip(found["negative"], positions, strict=True)
            ]
        return found

    def _labels(self, found: dict[str, list[Any]], positions: list[int]) -> dict[str, list[Any]]:
        has = [[int(bool(text)) for text in found.get(side, [""] * len(positions))] for side in ("negative", "twin")]
        if self._texts.teacher is not None:
            has += self._texts.teacher.places[positions].T.tolist()
        elif self._numbered:
            has += [[-1] * len(positions)] * 2
        elif "twin" not in found:
            return {"label": has[0]} if "negative" in found else {}
        has += [positions] if self._numbered else []
        return {"label": [list(row) for row in zip(*has, strict=True)]}

    def __getstate__(self) -> dict[str, Any]:
        # `datasets` pickles a transform to hash it, at every select(), and a corpus may be larger than memory; only a
        # loader's worker that is spawned needs it whole
        return vars(self) if get_spawning_popen() else {"_fingerprint": self._fingerprint}

    def __deepcopy__(self, memo: dict[int, Any]) -> "_LookUp":
        return self
