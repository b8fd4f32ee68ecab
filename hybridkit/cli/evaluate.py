"""The command evaluate: encoders and other systems on parallel benchmarks and on collections."""

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridkit.cli.options import (
    ROW_FILES,
    CommandResult,
    Commands,
    benchmarks,
    command,
    completed,
    models,
    names,
    show,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pandas as pd
    from sentence_transformers import SentenceTransformer

    from hybridkit.cli.remedies import Remedied
    from hybridkit.data.benchmark import Benchmark
    from hybridkit.data.collection import Collection
    from hybridkit.remedies import Chain
    from hybridkit.retrieval import Scorer
    from hybridkit.retrieval.rerank import PairScores, Reranking


MORE_SYSTEMS = ("rrf", "faiss-flat", "ivf", "hnsw")  # beside dense, bm25 and fusion
SYSTEMS = ("dense", "bm25", "fusion")  # of parallel benchmarks
DEEPEST = 100  # rank that a measure of collections looks at: R@100
_MORE = """
Benchmarks with parallel passages are ranked in full: atlas, xquad-r and mlqa-r (both also with -paragraphs), your own
file of parallel rows, and subsets such as "xquad-r[16:]". Settings are mono, cross and pool.
JSON: {benchmark: {system: {setting: {measure: value}, "languages": {"de>en": {measure: value}}}}}

Collections are searched to --depth: miracl, miracl-pool, tydi-goldp, your own folder in MIRACL's or BEIR's layout, and
some of their languages as in "miracl[sw,yo]". JSON is the same, with setting mono and languages such as "sw>sw". "tydi-
goldp[pool]" searches the corpora of all languages at once, with setting pool and languages such as "sw>*"; its values
are a lower bound, since passages are judged in the query's language only. A language's "queries" are counted beside its
measures; holes@10 is the number of passages among the top ten that nobody judged. In JSON "intervals" holds the 95 %
interval of every value over other queries; queries that are answered in one document are drawn together (unit:
documents).

Remedies against language bias need no training: calibrate(top=5), zscore, centre(by='rows'), centre(by='passages'),
shift(source='en'), lir(k=1), interpolate(0.5), joined by + in this order: weights, embeddings, scores. Those by rows
are estimated from --remedy-rows (at most 400 of a language), which must not overlap the benchmark. A parallel pool has
an answer in every language, so with --remedy there are two settings more, in which the answers in all languages but one
are taken out of it: own leaves the query's language, other one other language, drawn for each question. Then the JSON
has a level more, {benchmark: {system: {remedy: {setting: ...}}}}, and the table a column. Systems without
embeddings (bm25) are left out where a remedy acts on embeddings or weights; fusion has them in its dense part.

With several systems or remedies each is compared with the first one of its benchmark, by a second table: AP of parallel
benchmarks, nDCG@10 of collections, the mean over languages, with 95 % intervals over articles (of collections, over
documents). In JSON "against" holds them: {"dense, none": {"pool": {"AP": {"difference", "interval", "p", "mark"}}}}.

"rerank(dense, model=FOLDER, depth=20)" puts the best 20 passages of a first stage (any system, after its remedies) in
the order of a re-ranker (`hybridkit train --kind reranker`, or any cross-encoder of one score): in a pair of languages
the best of that pair, in the pool those of the pool. Passages behind them keep the ranks of the first stage.
--max-length and --precision are the re-ranker's too. Scores are kept in the cache, so that no pair is scored again.

Dense scores are made by the similarity that the model names (similarity_fn_name: cosine, dot, euclidean, manhattan).
Where it is not cosine, the first line of the table names it, and in JSON "similarity" is beside the settings. So is
"caution", a sentence that must stand beside the values of a data set such as miracl-pool.

--mteb writes FOLDER/results/MODEL/REVISION/TASK.json, which mteb.ResultCache(FOLDER) reads: XQuADRetrieval and
MLQARetrieval (validation) of xquad-r-paragraphs and mlqa-r-paragraphs, MIRACLRetrieval of miracl's languages whose
corpus is whole, and of xquad-r and mlqa-r a task for each setting, which mteb can run too (hybridkit.mteb_tasks).
"""


def search_all(
    args: argparse.Namespace,
    judged: Mapping[str, Sequence["Collection"]],
    cure: "Remedied",
    rerankers: Mapping[str, "PairScores"],
    mteb: list[dict[str, Any]],
) -> CommandResult:
    """Search every collection by every system: the scores of each language and their mean; `mteb` gets mteb's."""
    import pandas as pd

    from hybridkit.analysis.scores import together
    from hybridkit.cli.differences import Differences
    from hybridkit.data.collection import query_clusters, save_judgements
    from hybridkit.evaluation.collection_scores import clusters_in, collection_values, with_intervals
    from hybridkit.evaluation.measures import COLLECTION_MEASURES
    from hybridkit.evaluation.mteb_tasks import miracl_results
    from hybridkit.retrieval.rerank import first_stage, parse, rerank_run
    from hybridkit.retrieval.runs import save_run

    parts, differences = [], Differences()
    for name, sets in judged.items():
        plain = []
        values: dict[tuple[str, str], list[pd.DataFrame]] = {}
        for one in sets:
            clusters, unit = query_clusters(one)
            for chain in cure.chains:
                remedy = str(chain) if cure.asked else ""
                runs = cure.search(chain, one, sets)
                for system in cure.systems(chain, args.system):
                    run = runs[first_stage(system)]
                    if system in rerankers:
                        run = rerank_run(run, one, rerankers[system], parse(system).depth)
                    if system == "dense" and not chain.parts:
                        plain.append((one, run))
                    found = collection_values(one, run, depth=max(args.depth, DEEPEST))
                    scored = with_intervals(found, clusters, unit)
                    parts.append(scored.assign(benchmark=name, system=system, remedy=remedy))
                    found = found.assign(cluster=found["query_id"].map(clusters))
                    values.setdefault((system, remedy), []).append(found)
                    if args.save_runs:
                        save_run(run, _trec_file(args, name, system, *_named(remedy), _languages(one), "run"))
            if args.save_runs:
                save_judgements(one.judgements, _trec_file(args, name, _languages(one), "qrels"))
        if args.mteb:
            mteb += miracl_results(plain)
        for (system, remedy), frames in values.items():
            of_all = together(frames, COLLECTION_MEASURES[:1])
            differences.add(name, system, remedy, of_all, clusters_in(of_all))
    table = pd.concat(parts, ignore_index=True)
    value: dict[str, dict[str, Any]] = {name: {} for name in judged}
    order = {system: nth for nth, system in enumerate(args.system)}
    keys = table[["benchmark", "system", "remedy"]].drop_duplicates()
    for name, system, remedy in keys.sort_values("system", key=lambda one: one.map(order), kind="stable").values:
        chosen = (table["benchmark"] == name) & (table["system"] == system) & (table["remedy"] == remedy)
        put(value[name], system, remedy, as_json(table[chosen], collection=True))
    shown = table if args.remedy else table.drop(columns="remedy")
    more = differences.tell(value, " or ".join(dict.fromkeys(table["unit"])))
    return CommandResult("\n\n".join(filter(None, (_collections_text(shown, args.strategy_label), more))), value)


def _languages(judged: "Collection") -> str:
    return f"{judged.language}.{judged.language if judged.setting == 'mono' else 'pool'}"


def _trec_file(args: argparse.Namespace, *names: str) -> Path:
    """The path of a run or of its judgements in the folder of --save-runs, e.g. `xquad-r.dense.de.en.run`."""
    from hybridkit.utils.files import digest

    text = re.sub(r"[^\w.-]", "_", ".".join(names)).lstrip("._")
    return Path(args.save_runs, text if len(text) <= 200 else f"{digest(*names)[:8]}-{text[-190:]}")


def as_json(table: "pd.DataFrame", collection: bool = False) -> dict[str, dict[str, Any]]:
    """Turn the frame of `measures.scores` into {setting: {measure: mean}, "languages": {"de>en": {measure: value}}}.

    The languages of a collection have the number of their `queries` beside the measures, those of a pool are "sw>*".
    With the columns of `with_intervals` there are "intervals" beside the languages: {"sw>sw": {"unit": ..., "RR@10":
    [low, high]}}.

    >>> import pandas as pd
    >>> keys = {"query_language": "de", "passage_language": ["de", "*"], "measure": "AP", "queries": 1}
    >>> as_json(pd.DataFrame({"setting": ["mono", "pool"], **keys, "value": [0.5, 0.25]}))
    {'mono': {'AP': 0.5}, 'pool': {'AP': 0.25}, 'languages': {'de>de': {'AP': 0.5}}}
    >>> keys = {"setting": "mono", "query_language": ["sw", "yo"], "passage_language": ["sw", "yo"]}
    >>> as_json(pd.DataFrame({**keys, "measure": "RR@10", "value": [0.5, 0.25], "queries": [7, 9]}), collection=True)
    {'mono': {'RR@10': 0.375}, 'languages': {'sw>sw': {'queries': 7, 'RR@10': 0.5}, 'yo>yo': {'queries': 9, ...}}}
    """
    from hybridkit.evaluation.measures import macro

    means: dict[str, dict[str, Any]] = {}
    for setting, measure, number in macro(table)[["setting", "measure", "value"]].itertuples(index=False):
        means.setdefault(setting, {})[measure] = float(number)
    languages: dict[str, dict[str, Any]] = {}
    columns = ["query_language", "passage_language", "measure", "value", "queries"]
    rows = table if collection else table[table["setting"].isin(["mono", "cross"])]
    for query, passage, measure, number, queries in rows[columns].itertuples(index=False):
        counted = {"queries": int(queries)} if collection else {}
        languages.setdefault(f"{query}>{passage}", counted)[measure] = float(number)
    found = means | {"languages": languages if collection else dict(sorted(languages.items()))}
    if "unit" not in table:
        return found
    intervals: dict[str, dict[str, Any]] = {}
    names = ["query_language", "passage_language", "measure", "low", "high", "unit"]
    for query, passage, measure, low, high, unit in table[names].itertuples(index=False):
        own = intervals.setdefault(f"{query}>{passage}", {"unit": unit})
        own[measure] = [float(low), float(high)] if low == low else None
    return found | {"intervals": intervals}


def _collections_text(table: "pd.DataFrame", label: str | None) -> str:
    import pandas as pd

    measures = list(dict.fromkeys(table["measure"]))
    keys = [name for name in ("benchmark", "system", "remedy", "setting") if name in table]
    blocks = []
    for _, part in table.groupby(keys, sort=False):
        wide = part.pivot(index=["query_language", "queries"], columns="measure", values="value")[measures]
        block = wide.reset_index().rename(columns={"query_language": "language"})
        if len(block) > 1:
            mean = {"language": "mean", "queries": block["queries"].sum(), **block[measures].mean()}
            block = pd.concat([block, pd.DataFrame([mean])], ignore_index=True)
        blocks.append(part[keys].head(1).merge(block, how="cross"))
    shown = pd.concat(blocks, ignore_index=True)
    if label is not None:
        shown.insert(0, "strategy", label)
    return show(shown)


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = command(
        commands,
        "evaluate",
        "score an encoder, BM25 or both on benchmarks: mono, cross and pool",
        evaluate,
        "evaluate --model e5-small --benchmark xquad-r --max-length 256",
        'evaluate --model my-model --benchmark "atlas,mine.jsonl" --system dense,bm25,fusion --json scores.json',
        "evaluate --benchmark mlqa-r --system bm25",
        "evaluate --model my-model --benchmark tydi-goldp --system dense,bm25,fusion",
        'evaluate --model my-model --benchmark "miracl[sw,yo],miracl[sw,yo,pool]" --system dense,hnsw',
        'evaluate --model my-model --benchmark xquad-r --remedy none --remedy "calibrate(top=5)"',
        'evaluate --model my-model --benchmark atlas --system "dense,rerank(dense, model=my-reranker, depth=20)"',
    )
    parser.epilog = f"{parser.epilog}\n{_MORE}"
    option = parser.add_argument
    model = option(
        "--model",
        metavar="NAME",
        help="a folder, a hub name, xlm-r, labse, e5-small or use-multilingual; bm25 alone needs none",
    )
    completed(model, models)
    benchmark = option(
        "--benchmark",
        type=names,
        required=True,
        metavar="NAME[,NAME]",
        help="names, files of parallel rows or folders of collections; see below",
    )
    completed(benchmark, benchmarks, *ROW_FILES)
    option(
        "--system",
        type=_systems,
        default=["dense"],
        metavar="NAME[,NAME]",
        help=f"{', '.join(SYSTEMS)}; on collections {', '.join(MORE_SYSTEMS)} too; re-ranked "
        '"rerank(dense, model=FOLDER, depth=20)" (dense)',
    )
    option("--query-prompt", metavar="TEXT", help="text before each query (the model's own)")
    option("--passage-prompt", metavar="TEXT", help="text before each passage (the model's own)")
    option("--strategy-label", metavar="TEXT", help="a name for the model in the printed table, e.g. its strategy")
    depth = "passages to search for on collections, and of every run that is saved (1000)"
    option("--depth", type=int, default=1000, metavar="N", help=depth)
    runs = "write every run and its judgements in TREC format: NAME.SYSTEM.QUERIES.PASSAGES.run, *.qrels"
    option("--save-runs", type=Path, metavar="FOLDER", help=runs)
    found = "write the encoder's scores (dense, no remedy) in mteb's result format; see below"
    option("--mteb", type=Path, metavar="FOLDER", help=found)
    option("--max-length", type=int, metavar="N", help="cut texts at so many tokens (the model's own limit)")
    option("--precision", choices=("float32", "bf16"), default="float32", help="arithmetic of the encoder (float32)")
    option(
        "--remedy", action="append", metavar="CHAIN", help="a chain of remedies, or none; may be repeated; see below"
    )
    option("--remedy-rows", type=names, metavar="NAME[,NAME]", help="parallel rows that remedies are estimated from")
    option("--start", metavar="NAME", help="the encoder that --model was trained from, where its folder names none")


def _systems(text: str) -> list[str]:
    from hybridkit.errors import InputError
    from hybridkit.retrieval.rerank import first_stage, is_rerank, parse

    try:
        found = [str(parse(name)) if is_rerank(name) else name for name in names(text)]
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if unknown := [first_stage(name) for name in found if first_stage(name) not in (*SYSTEMS, *MORE_SYSTEMS)]:
        known = ", ".join((*SYSTEMS, *MORE_SYSTEMS))
        raise argparse.ArgumentTypeError(f"there is no system {unknown[0]!r}; there are {known}, and rerank of one")
    return found


def evaluate(args: argparse.Namespace) -> CommandResult:
    """Score every system on every benchmark; data and model are opened before anything is computed."""
    import logging

    from hybridkit.cli.remedies import Remedied
    from hybridkit.data.sources.open_benchmarks import (
        base_name,
        is_collection,
        open_benchmark,
        open_collection,
        subset_of,
    )

    sets = list(dict.fromkeys(filter(is_collection, args.benchmark)))
    parallel = [name for name in dict.fromkeys(args.benchmark) if name not in sets]
    _check(args, parallel)
    wholes = {base: open_benchmark(base) for base in dict.fromkeys(map(base_name, parallel))}
    ranked_in_full = [subset_of(wholes[base_name(name)], name)[0] for name in parallel]
    judged = {name: open_collection(name) for name in sets}
    collections = [one for found in judged.values() for one in found]
    if args.depth < min(DEEPEST, max((one.size for one in collections), default=0)):
        text = "--depth %d: on collections, what is behind it counts as not found in measures that look deeper (to %d)"
        logging.getLogger("hybridkit").warning(text, args.depth, DEEPEST)
    cure = Remedied(args, wholes.values(), collections)
    rerankers = _rerankers(args, ranked_in_full, collections)
    model = _open(args) if _needs_encoder(args.system) else None
    cure.open(model)
    results = []
    mteb: list[dict[str, Any]] = []
    if parallel:
        results.append(_ranked(args, parallel, wholes, cure, rerankers, mteb))
    if judged:
        results.append(search_all(args, judged, cure, rerankers, mteb))
    for scores in {id(one): one for one in rerankers.values()}.values():
        scores.report()
    value = {name: one for result in results for name, one in result.value.items()}
    if args.mteb and model is not None:
        _write_mteb(args, model, mteb)
    header = _similarity(args.system, model, value, bool(args.remedy)) + _cautions(value, bool(args.remedy))
    header += _reranked(value, bool(args.remedy))
    text = "\n\n".join(result.text for result in results)
    return CommandResult(header + text, {name: value[name] for name in args.benchmark})


def _write_mteb(args: argparse.Namespace, model: "SentenceTransformer", results: list[dict[str, Any]]) -> None:
    """Write mteb's files and log where they are."""
    import logging

    from hybridkit.evaluation.mteb_tasks import write_results
    from hybridkit.models.embedding import prompt_of
    from hybridkit.models.encoder import model_hash
    from hybridkit.utils.files import digest

    folder = Path(args.model).expanduser()
    name = folder.resolve().name if folder.exists() else args.model
    dim = int(model.get_embedding_dimension() or 0)
    log = logging.getLogger("hybridkit")
    prompts = [prompt_of(model, side) for side in ("query", "passage")]
    revision = digest(model_hash(model), *prompts, args.max_length, args.precision)[:12]  # files of one are merged
    for path in write_results(args.mteb.expanduser(), results, name, revision, dim):
        log.info("mteb: %s", path)
    if not results:
        log.info("mteb: nothing is written: no corpus of these languages of MIRACL is whole")


def _similarity(
    systems: list[str], model: "SentenceTransformer | None", value: dict[str, Any], remedies: bool = False
) -> str:
    """Write the similarity of a model beside the settings of its systems where it is not cosine; the line above all."""
    from hybridkit.models.encoder import similarity_of
    from hybridkit.retrieval.dense import COSINE
    from hybridkit.retrieval.rerank import first_stage

    if model is None or similarity_of(model) == COSINE:
        return ""
    dense = [system for system in dict.fromkeys(systems) if first_stage(system) != "bm25"]
    for found in value.values():
        for system in found.keys() & set(dense):
            for one in found[system].values() if remedies else [found[system]]:
                one["similarity"] = similarity_of(model)
    named = ", ".join(dense)
    return f"{named}: scores by {similarity_of(model)}, the model's own similarity\n"


def _cautions(value: dict[str, Any], remedies: bool = False) -> str:
    """Write what must be said beside the values of a benchmark beside its settings; the lines above all."""
    from hybridkit.data.sources.registry import cautions

    for name, found in value.items():
        for text in cautions([name]):
            for settings in found.values():
                for one in settings.values() if remedies else [settings]:
                    one["caution"] = text.partition(": ")[2]
    return "".join(f"{text}\n" for text in cautions(value))


def _reranked(value: dict[str, Any], remedies: bool = False) -> str:
    """Write what was re-ranked beside the settings of re-ranked systems; the lines above all."""
    from hybridkit.retrieval.rerank import is_rerank, parse

    lines: dict[str, None] = {}
    for found in value.values():
        for system in filter(is_rerank, found):
            text = f"the best {parse(system).depth} of each query are re-ranked, others keep the first stage's ranks"
            lines[f"{system}: {text}\n"] = None
            for one in found[system].values() if remedies else [found[system]]:
                one["reranked"] = text
    return "".join(lines)


def _needs_encoder(systems: Sequence[str]) -> bool:
    from hybridkit.retrieval.rerank import first_stage

    return any(first_stage(name) != "bm25" for name in systems)


def _rerankers(
    args: argparse.Namespace, benchmarks: Sequence["Benchmark"], collections: Sequence["Collection"]
) -> dict[str, "PairScores"]:
    """The opened re-ranker of every re-ranked system, once its depth is found to fit all that is ranked."""
    from hybridkit.errors import InputError
    from hybridkit.models import reranker
    from hybridkit.retrieval.rerank import PairScores, check_depth, is_rerank, parse

    systems = {name: parse(name) for name in dict.fromkeys(args.system) if is_rerank(name)}
    for system in systems.values():
        for one in benchmarks:
            check_depth(system.depth, {tag: part.stop - part.start for tag, part in one.passage_slices.items()}, one)
        for found in collections:
            check_depth(system.depth, {found.language: found.size}, found)
        if collections and system.depth > args.depth:
            raise InputError(f"--system {system}: its depth is beyond --depth {args.depth}, to which is searched")
    opened = {model: reranker.open(model) for model in dict.fromkeys(one.model for one in systems.values())}
    scores = {name: PairScores(model, args.max_length, args.precision) for name, model in opened.items()}
    return {name: scores[system.model] for name, system in systems.items()}


def _ranked(
    args: argparse.Namespace,
    names: list[str],
    wholes: dict[str, "Benchmark"],
    cure: "Remedied",
    rerankers: Mapping[str, "PairScores"],
    mteb: list[dict[str, Any]],
) -> CommandResult:
    """Rank every passage of the parallel benchmarks; `mteb` gets mteb's results."""
    import pandas as pd

    from hybridkit.cli.differences import Differences
    from hybridkit.data.sources.open_benchmarks import base_name, subset_of
    from hybridkit.evaluation.clusters import question_clusters
    from hybridkit.evaluation.measures import macro, per_query, scores, scores_of
    from hybridkit.evaluation.mteb_tasks import benchmark_results
    from hybridkit.evaluation.rank_table import rank_table_from_scores, reranked_table, write_qrels, write_runs
    from hybridkit.remedies import Chain

    value: dict[str, Any] = {}
    tables, differences = [], Differences()
    several = len(set(args.system)) * len(cure.chains) > 1  # the values of every query take memory
    for base, whole in wholes.items():
        parts = [name for name in names if base_name(name) == base]
        embeddings = cure.encoded(partial(_encode, args, benchmark=whole))
        for name in parts:
            part, queries, passages = subset_of(whole, name)
            pools = {language: language for language in part.passage_slices} | {"*": "pool"}
            clusters = question_clusters(part) if several else None
            for remedy, system, plain in _scorers(args.system, part, queries, passages, embeddings, cure):
                chain, scorer = str(remedy) if cure.asked else "", remedy.scorer(part, plain)
                reranking = _reranking(part, system, rerankers)
                ranks = reranked_table(part, scorer, reranking) if reranking else rank_table_from_scores(part, scorer)
                table, values = scores_of(ranks), [per_query(ranks, ["AP"])] if several else []
                if cure.asked:
                    single = _in_single_pools(part, plain, remedy, ranks, reranking)
                    table = pd.concat([table, scores(single)], ignore_index=True)
                    values.append(single[single["measure"] == "AP"])
                if clusters is not None:
                    differences.add(name, system, chain, pd.concat(values, ignore_index=True), clusters)
                put(value.setdefault(name, {}), system, chain, as_json(table))
                tables.append(macro(table).assign(benchmark=name, system=system, remedy=chain))
                for query in part.query_slices if args.save_runs else ():
                    paths = {
                        passage: _trec_file(args, name, system, *_named(chain), query, file, "run")
                        for passage, file in pools.items()
                    }
                    if reranking:  # the pool has an order of its own
                        write_runs({"*": paths.pop("*")}, part, reranking.in_pool(scorer), query, depth=args.depth)
                    by_pair = reranking.in_pairs(scorer) if reranking else scorer
                    write_runs(paths, part, by_pair, query, depth=args.depth)
            for query, passage in product(part.query_slices, pools) if args.save_runs else ():
                write_qrels(_trec_file(args, name, query, pools[passage], "qrels"), part, query, passage)
        if args.mteb and (encoded := embeddings(Chain())):
            mteb += benchmark_results(base, whole, *encoded, cure.similarity)
    table = pd.concat(tables, ignore_index=True)
    text = _text(table if args.remedy else table.drop(columns="remedy"), args.strategy_label)
    more = differences.tell(value, "articles")
    return CommandResult("\n\n".join(filter(None, (text, more))), value)


def _reranking(benchmark: "Benchmark", system: str, rerankers: Mapping[str, "PairScores"]) -> "Reranking | None":
    """The re-ranking of a benchmark by a system; None for a system that re-ranks nothing."""
    from hybridkit.retrieval.rerank import Reranking, parse

    return Reranking(benchmark, rerankers[system], parse(system).depth) if system in rerankers else None


def _in_single_pools(
    benchmark: "Benchmark", plain: "Scorer", chain: "Chain", ranks: "pd.DataFrame", reranking: "Reranking | None"
) -> "pd.DataFrame":
    """The values of every query where the answer is in one language; `plain` are the scores before the remedy."""
    from hybridkit.evaluation.single_pools import single_pool_values, single_pools, single_pools_from_scores

    if chain.on_scores or reranking:
        adjust = chain.on_block if chain.on_scores else None
        return single_pool_values(single_pools_from_scores(benchmark, plain, adjust, reranking=reranking))
    return single_pool_values(single_pools(ranks))


def put(value: dict[str, Any], system: str, remedy: str, scores: dict[str, Any]) -> None:
    """Put the scores of a system into those of a benchmark, under its remedy where one was asked for ("" if not).

    >>> value = {}
    >>> put(value, "bm25", "", {"mono": {}})
    >>> put(value, "dense", "none", {"pool": {}})
    >>> value
    {'bm25': {'mono': {}}, 'dense': {'none': {'pool': {}}}}
    """
    if remedy:
        value.setdefault(system, {})[remedy] = scores
    else:
        value[system] = scores


def _named(remedy: str) -> tuple[str, ...]:
    """The part of a run's file name that says its remedy."""
    return () if remedy in ("", "none") else (remedy,)


def _check(args: argparse.Namespace, parallel: list[str]) -> None:
    from hybridkit.errors import InputError
    from hybridkit.retrieval.rerank import first_stage
    from hybridkit.utils.numbers import COUNT, LENGTH

    more = [name for name in args.system if first_stage(name) in MORE_SYSTEMS]
    if more and parallel:
        raise InputError(
            f"--system {more[0]}: it searches collections such as miracl; {parallel[0]} is ranked in full: "
            f"give {', '.join(SYSTEMS[:-1])} or {SYSTEMS[-1]}"
        )
    COUNT.check(args.depth, "--depth")
    if args.save_runs and args.save_runs.is_file():
        raise InputError(f"--save-runs {args.save_runs}: this is a file; give a folder")
    if args.mteb:
        _check_mteb(args)
    if args.model is None and _needs_encoder(args.system):
        raise InputError(f"evaluate: --system {','.join(args.system)} needs an encoder; give --model NAME")
    if args.model == "static":
        raise InputError("--model static: it is made by training; train one with `hybridkit train` and give its folder")
    if args.max_length is not None:
        LENGTH.check(args.max_length, "--max-length")


def _check_mteb(args: argparse.Namespace) -> None:
    from hybridkit.data.collection import POOL
    from hybridkit.errors import InputError
    from hybridkit.evaluation.mteb_tasks import CUTOFFS, NAMES
    from hybridkit.remedies import parse
    from hybridkit.utils.naming import split_name

    for name in args.benchmark:
        base, words = split_name(name)
        if name not in NAMES and (base != "miracl" or POOL in words):
            whole = f"; mteb's tasks are of the whole {base}" if base in NAMES else ""
            raise InputError(f"--mteb: mteb has no task like {name}{whole}; give {', '.join(NAMES)} or miracl")
    if "dense" not in args.system or (args.remedy and not any(not parse(one).parts for one in args.remedy)):
        raise InputError(
            "--mteb: it is written of the encoder alone; give --system dense, and --remedy none among others"
        )
    if args.mteb.is_file():
        raise InputError(f"--mteb {args.mteb}: this is a file; give a folder")
    if args.depth < max(CUTOFFS) and any(name not in NAMES for name in args.benchmark):
        raise InputError(f"--mteb: mteb measures to rank {max(CUTOFFS)}; make --depth no less")


def _open(args: argparse.Namespace) -> "SentenceTransformer":
    from hybridkit.models import encoder

    model = encoder.open(args.model)
    given = {"query": args.query_prompt, "passage": args.passage_prompt}
    encoder.set_prompts(model, {side: text for side, text in given.items() if text is not None})
    return model


def _encode(args: argparse.Namespace, model: "SentenceTransformer", benchmark: "Benchmark") -> tuple[Any, Any]:
    from hybridkit.models.embedding import encode

    query, passage = (
        encode(
            model,
            frame["text"].tolist(),
            side,
            max_length=args.max_length,
            precision=args.precision,
            progress=f"{benchmark.name} {side}",
        )
        for side, frame in (("query", benchmark.queries), ("passage", benchmark.passages))
    )
    return query, passage


def _scorers(
    systems: list[str],
    benchmark: "Benchmark",
    queries: "np.ndarray",
    passages: "np.ndarray",
    embeddings: "Callable[[Chain], tuple[Any, Any] | None]",
    cure: "Remedied",
) -> Iterator[tuple["Chain", str, "Scorer"]]:
    """Every remedy with each system that it acts on, and its scorer, to which what acts on scores is still to come.

    Of a system that re-ranks it is the scorer of the first stage.
    """
    from hybridkit.retrieval.bm25 import bm25
    from hybridkit.retrieval.dense import dense
    from hybridkit.retrieval.rerank import first_stage
    from hybridkit.retrieval.runs import fusion

    firsts = {first_stage(name) for name in systems}
    by_words = bm25(benchmark) if {"bm25", "fusion"} & firsts else None
    for chain in cure.chains:
        found: dict[str, Scorer] = {}
        encoded = embeddings(chain)
        if encoded is not None:
            cut = encoded[0][queries], encoded[1][passages]
            changed = chain.embeddings(benchmark, *cut, cure.rows(chain), cure.similarity)
            found["dense"] = dense(benchmark, *changed, cure.similarity)
        if by_words is not None:
            found["bm25"] = by_words
        if "fusion" in firsts and by_words is not None:
            found["fusion"] = fusion(found["dense"], by_words)
        for system in cure.systems(chain, systems):
            yield chain, system, found[first_stage(system)]


def _text(table: "pd.DataFrame", label: str | None) -> str:
    measures = list(dict.fromkeys(table["measure"]))
    keys = [name for name in ("benchmark", "system", "remedy", "setting") if name in table]
    order = table[keys].drop_duplicates()
    wide = order.merge(table.pivot(index=keys, columns="measure", values="value").reset_index(), on=keys)[
        [*keys, *measures]
    ]
    if "rank_distance" in measures:
        wide["rank_distance"] = [f"{value:.1f}" if value == value else "-" for value in wide["rank_distance"]]
    if label is not None:
        wide.insert(0, "strategy", label)
    return show(wide)
