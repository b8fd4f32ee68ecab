"""A text encoder of word embeddings and convolutions over them, a first module of sentence-transformers.

It is the architecture of universal-sentence-encoder-multilingual (arXiv 1907.04307, "CNN model"), of any size.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from sentence_transformers.base.modules import InputModule
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

PIECES = "word_embeddings.pieces"  # of a saved table in 8 bits


class ConvText(InputModule):
    """Texts to vectors (n, `output`): convolutions of several widths over embeddings, averaged, and four dense layers.

    With e (tokens, `dim`) the embeddings of a text's tokens, n of them:

    - x = layer norm of a linear layer of e, `channels` numbers for each width w in `widths`;
    - h = x + relu(conv(x)), c = h + relu(conv(h)), each a convolution over w tokens, (w - 1) // 2 of them to the left,
      zero outside the text;
    - m = the sum over tokens of (layer norm of [e, c of each width]) W + b, divided by the root of n;
    - y0 = relu(m d0), y1 = relu(m p1 + y0 d1), y2 = relu(y1 d2), and the vector is tanh(y1 p3 + y2 d3).

    A text's vector does not depend on the texts beside it. `max_seq_length` is the number of tokens that are read, the
    marks at both ends among them; None for all. The embeddings are `word_embeddings` (for `freeze`): a table that is
    `scale` q + `low` with a whole number q from 0 to 255 for each weight is saved in 8 bits, and is read back exactly.
    Piece i has the i % k-th of the k numbers of `scale` and `low`.

    Args:
        tokenizer: Puts a mark at each end of a text, token numbers 1 and 2; 0 is the unknown token.
        pieces: Rows of the table.
        dim: Length of an embedding.
        channels: Numbers of a token for each width.
        hidden: Length of y0 and y1.
        output: Length of m, y2 and the vector.
        widths: Tokens that a convolution sees.
        epsilon: That of the layer norms.
        max_seq_length: Tokens of a text that are read.
        steps: How many numbers `scale` and `low` have.
    """

    config_file_name = "conv_text_config.json"
    config_keys = ["pieces", "dim", "channels", "hidden", "output", "widths", "epsilon", "max_seq_length", "steps"]
    scale: Tensor
    low: Tensor

    def __init__(
        self,
        tokenizer: Tokenizer,
        pieces: int,
        dim: int = 512,
        channels: int = 256,
        hidden: int = 320,
        output: int = 512,
        widths: Sequence[int] = (2, 3, 5),
        epsilon: float = 1e-12,
        max_seq_length: int | None = None,
        steps: int = 1,
    ) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.pieces, self.dim, self.channels, self.hidden, self.output = pieces, dim, channels, hidden, output
        self.widths, self.epsilon, self.max_seq_length, self.steps = list(widths), epsilon, max_seq_length, steps
        inner, joined = channels * len(widths), dim + channels * len(widths)
        self.word_embeddings = nn.Embedding(pieces, dim)
        self.project = nn.Linear(dim, inner)
        self.project_norm = nn.LayerNorm(inner, eps=epsilon)
        self.first = nn.ModuleList(nn.Linear(width * channels, channels) for width in widths)
        self.second = nn.ModuleList(nn.Linear(width * channels, channels) for width in widths)
        self.norm = nn.LayerNorm(joined, eps=epsilon)
        self.pool = nn.Linear(joined, output, bias=False)
        self.pool_bias = nn.Parameter(torch.zeros(output))
        self.d0 = nn.Linear(output, hidden, bias=False)
        self.d1 = nn.Linear(hidden, hidden, bias=False)
        self.p1 = nn.Linear(output, hidden, bias=False)
        self.d2 = nn.Linear(hidden, output, bias=False)
        self.p3 = nn.Linear(hidden, output, bias=False)
        self.d3 = nn.Linear(output, output, bias=False)
        self.register_buffer("scale", torch.ones(steps))
        self.register_buffer("low", torch.zeros(steps))

    def preprocess(self, inputs: Sequence[Any], prompt: str | None = None, **_: Any) -> dict[str, Tensor]:
        """Return `input_ids` and `attention_mask`, int64 (n, longest), of n texts, each with the prompt in front."""
        found = [
            encoding.ids for encoding in self.tokenizer.encode_batch_fast([(prompt or "") + one for one in inputs])
        ]
        for number, ids in enumerate(found):
            if len(ids) == 2:  # nothing but the marks: one unknown token, as in Google's model
                found[number] = [ids[0], 0, ids[1]]
            if self.max_seq_length and len(ids) > self.max_seq_length:
                found[number] = [*ids[: self.max_seq_length - 1], ids[-1]]
        lengths = torch.tensor([len(ids) for ids in found])
        mask = torch.arange(int(lengths.max()) if found else 0) < lengths[:, None]
        tokens = torch.zeros(mask.shape, dtype=torch.long)
        tokens[mask] = torch.tensor([one for ids in found for one in ids], dtype=torch.long)
        return {"input_ids": tokens, "attention_mask": mask.long()}

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Add `sentence_embedding` (n, `output`) to features of `preprocess`."""
        embedded = self.word_embeddings(features["input_ids"])
        inside = features["attention_mask"].unsqueeze(-1).to(embedded.dtype)
        whole = bool(features["attention_mask"].all())

        def masked(x: Tensor) -> Tensor:
            return x if whole else x * inside  # texts of one length have nothing to mask

        projected = masked(self.project_norm(self.project(embedded)).to(embedded.dtype))
        seen = [embedded]
        for width, first, second, x in zip(
            self.widths, self.first, self.second, projected.split(self.channels, dim=-1), strict=True
        ):
            h = masked(x + functional.relu(first(_windows(x, width))))
            seen.append(h + functional.relu(second(_windows(h, width))))
        # the sum over tokens goes first: a product with W for each text, not for each token
        total = masked(self.norm(torch.cat(seen, dim=-1))).sum(dim=1)
        root = inside.sum(dim=1).sqrt()
        mean = self.pool(total / root) + root * self.pool_bias
        y1 = functional.relu(self.p1(mean) + self.d1(functional.relu(self.d0(mean))))
        found = torch.tanh(self.p3(y1) + self.d3(functional.relu(self.d2(y1))))
        return features | {"sentence_embedding": found}

    def get_embedding_dimension(self) -> int:
        """Return `output`."""
        return self.output

    def get_input_embeddings(self) -> nn.Module:
        """Return the word embeddings, under transformers' name for them."""
        return self.word_embeddings

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        """Replace the word embeddings."""
        self.word_embeddings = value

    def save(self, output_path: str, *_: Any, safe_serialization: bool = True, **__: Any) -> None:
        """Write `model.safetensors`, `tokenizer.json` and the sizes into a folder."""
        state = {name: value.detach().cpu().contiguous() for name, value in self.state_dict().items()}
        table = state.pop("word_embeddings.weight")
        of = torch.arange(len(table)) % self.steps
        scale, low = state["scale"][of, None], state["low"][of, None]
        codes = ((table - low) / scale).round().clamp(0, 255).to(torch.uint8)
        exact = torch.equal(codes * scale + low, table)
        state |= {PIECES: codes} if exact else {"word_embeddings.weight": table}
        save_file(state, Path(output_path) / "model.safetensors")
        self.tokenizer.save(str(Path(output_path) / "tokenizer.json"))
        self.save_config(output_path)

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **_: Any) -> "ConvText":
        """Read what `save` has written."""
        folder = Path(model_name_or_path) / subfolder
        sizes = json.loads((folder / cls.config_file_name).read_bytes())
        with torch.device("meta"):  # no memory and no random numbers for weights that are replaced at once
            made = cls(Tokenizer.from_file(str(folder / "tokenizer.json")), **sizes)
        state = load_file(folder / "model.safetensors")
        if (codes := state.pop(PIECES, None)) is not None:
            of = torch.arange(len(codes)) % made.steps
            state["word_embeddings.weight"] = codes * state["scale"][of, None] + state["low"][of, None]
        made.load_state_dict(state, assign=True)
        made.requires_grad_(True)
        return made


def _windows(x: Tensor, width: int) -> Tensor:
    """The `width` tokens around each token, (n, tokens, channels) to (n, tokens, width * channels), 0 outside.

    >>> _windows(torch.tensor([[[1.0], [2.0], [3.0]]]), 3).tolist()
    [[[0.0, 1.0, 2.0], [1.0, 2.0, 3.0], [2.0, 3.0, 0.0]]]
    """
    left, count = (width - 1) // 2, x.shape[1]
    if torch.is_autocast_enabled(x.device.type):  # rounded here once, and not in each of the windows by the product
        x = x.to(torch.get_autocast_dtype(x.device.type))
    padded = functional.pad(x, (0, 0, left, width - 1 - left))
    return torch.cat([padded[:, first : first + count] for first in range(width)], dim=-1)
