"""Tiny cross-encoders with random weights, and rows to train them on; nothing is fetched."""

from pathlib import Path

import torch
from tokenizers import processors
from transformers import BertConfig, BertForSequenceClassification, BertModel, PreTrainedTokenizerFast

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.rows import Row
from hybridkit.models import encoder
from hybridkit.utils.progress import calm_bars

CITIES = ["Lima", "Oslo", "Rome", "Kyiv", "Bonn", "Bern", "Cork", "Nice", "Gent", "Riga", "Baku", "Doha"]
CORPUS = ParallelCorpus.from_rows(
    Row(
        city,
        city,
        city,
        {"en": f"where is {city} now", "de": f"wo liegt {city} jetzt"},
        {"en": f"{city} is over there" + " far away" * (n % 3), "de": f"{city} liegt dort"},
        {"en": f"{CITIES[n - 1]} is nowhere"} if n % 2 else {},
    )
    for n, city in enumerate(CITIES)
)


def make_bert(folder: Path, labels: int = 1, dropout: float = 0.1, hidden: int = 16) -> Path:
    """A BERT with a head of so many scores and its tokenizer in a folder; an encoder without a head for 0 of them."""
    tokenizer = encoder.train_tokenizer(CORPUS.iter_texts(), 90)
    tokenizer.add_special_tokens(["<pad>", "<s>", "</s>"])
    special = [(one, tokenizer.token_to_id(one)) for one in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing(  # type: ignore[assignment]
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=special
    )
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        max_position_embeddings=32,
        hidden_size=hidden,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        num_labels=max(1, labels),
        pad_token_id=tokenizer.token_to_id("<pad>"),
    )
    torch.manual_seed(0)
    model = BertForSequenceClassification(config) if labels else BertModel(config)
    with torch.no_grad():  # larger weights than a new model has, so that its scores differ from each other
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(12)
    with calm_bars():
        model.save_pretrained(folder)
    words = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        model_max_length=32,
        model_input_names=["input_ids", "attention_mask"],
    )
    words.save_pretrained(folder)
    return folder
