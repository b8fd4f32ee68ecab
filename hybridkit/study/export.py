"""A model copied out of a run, with its benchmark scores in its card and, where asked for, its language vectors."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from hybridkit.errors import InputError
from hybridkit.evaluation.measures import macro
from hybridkit.models import encoder as encoders
from hybridkit.models.embedding import prompt_of
from hybridkit.remedies import Chain, choose_rows, embed_rows, lir
from hybridkit.sampling import parse
from hybridkit.study.model_card import HERE, finished, sources
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.run import Run
from hybridkit.study.scores import model_scores
from hybridkit.study.settings import UNTRAINED
from hybridkit.utils.files import atomic_folder
from hybridkit.utils.naming import stem_of
from hybridkit.utils.products import require

VECTORS, VECTOR_SETTINGS = "language_vectors.safetensors", "language_vectors.json"  # beside the weights


def export_model(
    run: Run, spec: ModelSpec, out: Path | None = None, remedy: Chain | None = None, repository: str = ""
) -> Path:
    """Copy a model to a new folder, write its sources and benchmark scores into the card, and return the folder.

    Missing rank tables are made. `out` is `export/MODEL` in the run folder unless given. With a `remedy` on embeddings
    its language vectors, estimated from the study's training rows, are beside the model:
    `language_vectors.safetensors`, and in `language_vectors.json` what they were made from; the card shows how to
    apply them. The card's example opens the model by `repository`, its name on the hub, where that is given.

    Raises:
        InputError: A folder that exists; a remedy that is not one part on embeddings by rows; and as the remedy does.
    """
    if remedy is not None:
        _check_remedy(remedy)
    source = run.trained.path(spec)
    out = (out or run.folder / "export" / source.name).expanduser().absolute()
    if out.exists():
        raise InputError(f"{out}: it exists already; give another --out, or remove it first")
    scores = benchmark_scores(run, spec)
    scores = scores.assign(benchmark=scores["benchmark"].map(stem_of))  # no paths of this machine in a card
    made_from = sources(run.study.section(spec.section).encoder.name, run.study.rows.files)
    with atomic_folder(out) as temporary:
        shutil.copytree(source, temporary, dirs_exist_ok=True)
        card = temporary / "README.md"
        text = card.read_text(encoding="utf-8") if card.is_file() else f"# {spec}\n"
        text = finished(text, repository or HERE, repository.rpartition("/")[2] or out.name, made_from, scores)
        if remedy is not None:
            text += "\n" + _write_vectors(run, spec, remedy, temporary)
        card.write_text(text, encoding="utf-8")
    return out


def check_push(repository: str) -> None:
    """Find out, before anything is written, whether a model may be pushed to `repository` on the hub, "ORG/NAME".

    Raises:
        InputError: A name that is invalid; no token, or one that the hub does not take; no network; a repository that
            holds files already.
    """
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        validate_repo_id(repository)
        if repository.count("/") != 1:
            raise HFValidationError("no organisation")
    except HFValidationError as error:
        raise InputError(f"--push {repository}: not a name on the hub; write ORG/NAME or USER/NAME") from error
    if not get_token():
        raise InputError(
            f"--push {repository}: no token of the hub is here; make one that may write at "
            "https://huggingface.co/settings/tokens, then say `hf auth login` or set HF_TOKEN"
        )
    with _hub_errors(repository):
        HfApi().whoami()
        try:
            files = HfApi().list_repo_files(repository)
        except RepositoryNotFoundError:
            return  # it will be made
    if set(files) - {".gitattributes"}:
        raise InputError(
            f"--push {repository}: this repository holds {len(files)} files already, and nothing is replaced; give "
            "another name, or empty it on the hub first"
        )


def push(folder: Path, repository: str) -> str:
    """Upload an exported model to the hub, in one commit, and return its address.

    The repository is made, private, where there is none. Raises InputError as `check_push` does.
    """
    from huggingface_hub import HfApi

    with _hub_errors(repository):
        HfApi().create_repo(repository, private=True, exist_ok=True)
        HfApi().upload_folder(
            repo_id=repository,
            folder_path=folder,
            commit_message="Model trained with hybridkit",
            ignore_patterns=[".*"],
        )
    return f"https://huggingface.co/{repository}"


@contextmanager
def _hub_errors(repository: str) -> Iterator[None]:
    """Errors of the hub as what a person can do."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled, RepositoryNotFoundError

    http_error: type[Exception] = HfHubHTTPError.__bases__[0]  # of the hub's HTTP library, httpx2 or another

    try:
        yield
    except RepositoryNotFoundError:
        raise
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        why = {401: "the hub does not know your token", 403: "your token may not write there"}.get(status, str(error))
        cure = "say `hf auth login` with a token that may write" if status in (401, 403) else "try again later"
        raise InputError(f"--push {repository}: {why.splitlines()[0]}; {cure}") from error
    except (http_error, OfflineModeIsEnabled, ConnectionError) as error:
        raise InputError(
            f"--push {repository}: the hub cannot be reached ({type(error).__name__}); check the network, and that "
            "HF_HUB_OFFLINE is not set"
        ) from error


def _check_remedy(remedy: Chain) -> None:
    if len(remedy.parts) != 1 or not remedy.on_embeddings or not remedy.needs_rows:
        raise InputError(
            f"--remedy {remedy}: a model is exported with the vectors of one remedy on embeddings that is estimated "
            'from rows; give "centre(by=\'rows\')", "shift(source=\'en\')" or "lir(k=1)"'
        )


def _write_vectors(run: Run, spec: ModelSpec, remedy: Chain, folder: Path) -> str:
    """Write the language vectors of a model and what they were made from; the section of its card."""
    model, evaluation = encoders.open(folder), run.study.evaluation
    corpus = run.rows.split[0]
    rows = choose_rows(corpus, corpus.languages)
    similarity = encoders.similarity_of(model)
    options: dict[str, Any] = {"max_length": evaluation.max_length, "precision": evaluation.precision}
    estimate = remedy.estimate(embed_rows(rows, model, **options), similarity)
    estimate.save(folder / VECTORS)
    (name, by_side), (part,) = next(iter(estimate.vectors.items())), remedy.on_embeddings
    prompts = {side: prompt_of(model, side) for side in ("query", "passage")}
    sides = {side: list(found) for side, found in by_side.items()}
    settings = estimate.settings(prompts=prompts, sides=sides, similarity=similarity, study=run.study.name, **options)
    (folder / VECTOR_SETTINGS).write_text(settings, encoding="utf-8")
    language = next(iter(by_side["passage"]))
    less = "passages @ v.T @ v" if isinstance(part, lir) else "v"
    unit = " / np.linalg.norm(x, axis=1, keepdims=True)" if similarity == "cosine" else ""
    queries = f"Queries likewise, by `{name}.query.{language}`" if "query" in by_side else "Queries stay as they are"
    return (
        f"## Less language bias: `{remedy}`\n\n"
        f"`{VECTORS}` holds what is taken off the embeddings of each side and language, estimated from training rows. "
        f"Of passages in `{language}`, in a faiss index:\n\n"
        "```python\n"
        f'v = safetensors.numpy.load_file("{VECTORS}")["{name}.passage.{language}"]\n'
        f"x = passages - {less}\n"
        f"index.add(x{unit})\n"
        "```\n\n"
        f"{queries}.\n"
    )


def benchmark_scores(run: Run, spec: ModelSpec) -> pd.DataFrame:
    """Return the macro scores of a model on the benchmarks of its section: benchmark, setting, measure, value."""
    names = run.benchmarks(spec.section)
    parts = [macro(model_scores(run, spec, name)).assign(benchmark=name) for name in names]
    return pd.concat(parts, ignore_index=True)[["benchmark", "setting", "measure", "value"]]


def find_model(run: Run, model: str, seed: int | None = None) -> ModelSpec:
    """Return a model of a run by its strategy's text and its seed (the first unless given).

    Raises InputError for a model that the study does not have, with those it has, or that is not trained yet.
    """
    if model == UNTRAINED:
        raise InputError(
            f"untrained: that is the encoder which study {run.study.name} starts from, {run.study.encoder.name!r}; "
            "only trained models are exported"
        )
    strategy = str(parse(model))
    specs = [spec for spec in run if spec.strategy == strategy and seed in (None, spec.seed)]
    if not specs:
        known = dict.fromkeys(f"{spec.strategy} (seed {spec.seed})" for spec in run if spec.strategy != UNTRAINED)
        wanted = strategy + ("" if seed is None else f" with seed {seed}")
        raise InputError(f"study {run.study.name}: no model of {wanted}; there are {', '.join(known)}")
    cure = f"make it with `hybridkit run {run.study.name}`"
    if not require(run.trained.path(specs[0]), cure).is_dir():
        raise InputError(f"{run.folder}: the model of {specs[0]} is not trained yet; {cure}")
    return specs[0]
