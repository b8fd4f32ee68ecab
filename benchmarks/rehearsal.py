"""Everything that studies/paper-rehearsal.yaml needs: paper.yaml with small encoders, on few rows in the real formats.

Writes a folder for HYBRIDKIT_DATA:

- `mmarco/` and `squad-translate-train/` as they are published (TSV of ids and texts, triples of ids; SQuAD's JSON with
  XTREME's names), out of rows in several languages. A row goes to one of the two. Triples repeat a question with other
  negatives, as MS MARCO's do, until there are `--triples` of them;
- `encoders/xlm-r` and `encoders/labse`: XLM-RoBERTa and BERT of 2 layers with random weights, made from their
  configurations, with their own kinds of tokenizers trained on the rows; LaBSE with its pooling, projection and norm;
- links to all else in `--data`: XQuAD-R, MLQA-R, MIRACL.

    python benchmarks/rehearsal.py --data ../shared/data --out data/cache/rehearsal
    HYBRIDKIT_DATA=data/cache/rehearsal hybridkit run studies/paper-rehearsal.yaml
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hybridkit.data.sources.mmarco import TRIPLES, files_of
from hybridkit.data.sources.translated_sets import TRANSLATED
from hybridkit.utils.seeds import generator

FILES = ("xnli-entailment", "iot-for-beginners", "azd-for-beginners", "edgeai-for-beginners")
MMARCO = ("ar", "de", "en", "es", "hi", "ru", "vi", "zh")
SQUAD = ("en", *TRANSLATED)
PIECES, WIDTH, LAYERS = 8000, 64, 2  # of the encoders: tokens, length of vectors, layers
TEXTS = 20_000  # that tokenizers are trained on, from all rows


def main() -> None:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder as HYBRIDKIT_DATA, with train/*.jsonl")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--triples", type=int, default=48_000)
    args = parser.parse_args()
    print(json.dumps(write(args.data, args.out, args.triples)))


def write(data: Path, out: Path, triples: int, limit: int = 0, pieces: int = PIECES) -> dict[str, int]:
    """Write the folder and return how many rows it has of each kind; `limit` is the most of each file that are read."""
    rows = list(_rows([data / "train" / f"{name}.jsonl" for name in FILES], limit))
    everything = set(SQUAD)
    squad = [row for n, row in enumerate(rows) if n % 3 == 0 and everything <= _tags(row)]
    mine = [row for n, row in enumerate(rows) if n % 3 and set(MMARCO) <= _tags(row)]
    out.mkdir(parents=True, exist_ok=True)
    write_mmarco(out, mine, triples)
    write_squad(out / "squad-translate-train", squad)
    texts = [_plain(row[side][tag]) for row in rows for side in ("query", "passage") for tag in sorted(_tags(row))]
    texts = texts[:: max(1, len(texts) // TEXTS)]
    write_xlm_r(out / "encoders" / "xlm-r", texts, pieces)
    write_labse(out / "encoders" / "labse", texts, pieces)
    for path in sorted(data.iterdir()):
        if not (out / path.name).exists():
            (out / path.name).symlink_to(path.absolute())
    return {"mmarco": triples, "questions of mmarco": len(mine), "squad-translate-train": len(squad)}


def _rows(files: Sequence[Path], limit: int) -> Iterator[dict[str, Any]]:
    for path in files:
        with path.open(encoding="utf-8") as lines:
            for n, line in enumerate(lines):
                if limit and n >= limit:
                    break
                yield json.loads(line)


def _tags(row: dict[str, Any]) -> set[str]:
    return set(row["query"]) & set(row["passage"])


def _plain(text: str) -> str:
    return " ".join(text.split())


def write_mmarco(home: Path, rows: Sequence[dict[str, Any]], triples: int) -> None:
    """Write mMARCO's files: a row's number is the id of its query and of its passage, in no order of lines."""
    random = generator(0, "rehearsal")
    order = random.permutation(len(rows)).tolist()
    for tag in MMARCO:
        for file, side in zip(files_of(tag), ("passage", "query"), strict=True):
            (home / file).parent.mkdir(parents=True, exist_ok=True)
            lines = (f"{n}\t{_plain(rows[n][side][tag])}\n" for n in order)
            (home / file).write_text("".join(lines), encoding="utf-8")
    asked = random.integers(len(rows), size=triples)
    negative = (asked + random.integers(1, len(rows), size=triples)) % len(rows)  # another row's
    lines = (f"{one}\t{one}\t{other}\n" for one, other in zip(asked.tolist(), negative.tolist(), strict=True))
    (home / TRIPLES).write_text("".join(lines))


def write_squad(folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write SQuAD's training file and XTREME's translations of it: one question a paragraph, its answer the whole."""
    folder.mkdir(parents=True, exist_ok=True)
    for tag in SQUAD:
        paragraphs = []
        for n, row in enumerate(rows):
            context = _plain(row["passage"][tag])
            answer = {"text": context.split()[0], "answer_start": 0}
            asked = {"id": f"q{n}", "question": row["query"][tag], "answers": [answer]}
            paragraphs.append({"context": context, "qas": [asked]})
        value = {"data": [{"title": "Rehearsal", "paragraphs": paragraphs}], "version": "1.1"}
        name = "train-v1.1.json" if tag == "en" else f"squad.translate.train.en-{tag}.json"
        (folder / name).write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def write_xlm_r(folder: Path, texts: Sequence[str], pieces: int = PIECES) -> None:
    """Write an XLM-RoBERTa of 2 layers and its tokenizer (SentencePiece's unigram model) in transformers' format."""
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaModel, XLMRobertaTokenizerFast

    words = XLMRobertaTokenizerFast().train_new_from_iterator(iter(texts), pieces)
    words.model_max_length = 512
    words.save_pretrained(folder)
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=len(words),
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        intermediate_size=4 * WIDTH,
        max_position_embeddings=514,
        type_vocab_size=1,
        pad_token_id=words.pad_token_id,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
    )
    XLMRobertaModel(config).save_pretrained(folder)


def write_labse(folder: Path, texts: Sequence[str], pieces: int = PIECES) -> None:
    """Write a BERT of 2 layers in LaBSE's sentence-transformers folder: first token, projection, length 1."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules
    from transformers import BertConfig, BertModel, BertTokenizerFast

    bert = folder.with_name("labse-bert")
    words = BertTokenizerFast(do_lower_case=False).train_new_from_iterator(iter(texts), pieces)
    words.model_max_length = 512
    words.save_pretrained(bert)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        intermediate_size=4 * WIDTH,
        pad_token_id=words.pad_token_id,
    )
    BertModel(config).save_pretrained(bert)
    parts = [
        modules.Transformer(str(bert), max_seq_length=256),
        modules.Pooling(WIDTH, pooling_mode="cls"),
        modules.Dense(WIDTH, WIDTH, activation_function=torch.nn.Tanh()),
        modules.Normalize(),
    ]
    SentenceTransformer(modules=parts, device="cpu").save_pretrained(str(folder), create_model_card=False)


if __name__ == "__main__":
    main()
