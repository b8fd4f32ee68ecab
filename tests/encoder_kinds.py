"""Tiny encoders with random weights, of every kind that people train retrievers from; nothing is fetched."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer import modules as st
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.models.conv_text import ConvText
from hybridkit.models.plan_dataset import plan_arguments, plan_dataset
from hybridkit.models.training import TrainingSettings
from hybridkit.sampling import BatchPlan

WORDS = [
    "who",
    "is",
    "the",
    "capital",
    "of",
    "peru",
    "lima",
    "quito",
    "ecuador",
    "paris",
    "france",
    "rome",
    "italy",
    "what",
    "where",
    "river",
    "long",
    "city",
    "old",
    "new",
    "red",
    "blue",
    "green",
    "one",
    "two",
    "three",
    "four",
    "wer",
    "ist",
    "die",
    "hauptstadt",
    "von",
    "wo",
    "fluss",
    "lang",
    "stadt",
    "alt",
    "neu",
    "rot",
    "blau",
    "eins",
    "zwei",
    "drei",
    "vier",
    "query",
    "passage",
    ":",
    "that",
    "about",
]


def text(place: int, count: int) -> str:
    """So many words, others from each place on."""
    return " ".join(WORDS[(place * (k + 3) + k * k) % len(WORDS)] for k in range(count))


SPECIALS = {"pad": "<pad>", "unk": "<unk>", "bos": "<s>", "eos": "</s>", "mask": "<mask>"}
COMMON = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
DECODER = {**COMMON, "head_dim": 8, "num_key_value_heads": 2}
NARROW = {"d_model": 32, "num_heads": 4, "d_kv": 8, "d_ff": 48, "num_layers": 2}  # T5's own names
PAIRED = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
}

# the model's name in transformers, its sizes, and how its tokenizer marks and pads texts: around, end, or not at all
FAMILIES: dict[str, tuple[str, dict[str, Any], str]] = {
    "bert": ("bert", COMMON, "around"),
    "roberta": ("roberta", COMMON, "around"),
    "xlm-roberta": ("xlm-roberta", COMMON, "around"),
    "xlm-roberta-xl": ("xlm-roberta-xl", COMMON, "around"),
    "camembert": ("camembert", COMMON, "around"),
    "distilbert": ("distilbert", {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48}, "around"),
    "electra": ("electra", {**COMMON, "embedding_size": 16}, "around"),
    "albert": ("albert", {**COMMON, "embedding_size": 16}, "around"),
    "mpnet": ("mpnet", COMMON, "around"),
    "deberta": ("deberta", {**COMMON, "pos_att_type": ["c2p", "p2c"], "relative_attention": True}, "around"),
    "deberta-v2": ("deberta-v2", {**COMMON, "pos_att_type": ["c2p", "p2c"], "relative_attention": True}, "around"),
    "rembert": ("rembert", {**COMMON, "input_embedding_size": 16}, "around"),
    "mobilebert": (
        "mobilebert",
        {**COMMON, "embedding_size": 16, "intra_bottleneck_size": 16, "true_hidden_size": 16},
        "around",
    ),
    "convbert": ("convbert", {**COMMON, "embedding_size": 16}, "around"),
    "roformer": ("roformer", {**COMMON, "embedding_size": 16}, "around"),
    "megatron-bert": ("megatron-bert", COMMON, "around"),
    "ernie": ("ernie", COMMON, "around"),
    "fnet": ("fnet", COMMON, "around"),
    "squeezebert": (
        "squeezebert",
        {
            **COMMON,
            "embedding_size": 32,
            "q_groups": 1,
            "k_groups": 1,
            "v_groups": 1,
            "post_attention_groups": 1,
            "intermediate_groups": 1,
            "output_groups": 1,
        },
        "around",
    ),
    "data2vec-text": ("data2vec-text", COMMON, "around"),
    "roberta-prelayernorm": ("roberta-prelayernorm", COMMON, "around"),
    "layoutlm": ("layoutlm", COMMON, "around"),
    "longformer": ("longformer", {**COMMON, "attention_window": 8}, "around"),
    "big_bird": ("big_bird", {**COMMON, "block_size": 4}, "around"),
    "xlm": ("xlm", {"emb_dim": 32, "n_layers": 2, "n_heads": 4}, "around"),
    "xlnet": ("xlnet", {"d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 48}, "end left"),
    "modernbert": ("modernbert", {**COMMON, "local_attention": 8}, "around"),
    "nomic_bert": ("nomic_bert", COMMON, "around"),
    "eurobert": ("eurobert", {**COMMON, "num_key_value_heads": 4}, "around"),
    "t5": ("t5", NARROW, "end"),
    "mt5": ("mt5", NARROW, "end"),
    "umt5": ("umt5", NARROW, "end"),
    "bart": ("bart", PAIRED, "around"),
    "mbart": ("mbart", PAIRED, "around"),
    "gpt2 right": ("gpt2", {"n_embd": 32, "n_layer": 2, "n_head": 4}, "end"),
    "gpt2 left": ("gpt2", {"n_embd": 32, "n_layer": 2, "n_head": 4}, "end left"),
    "gpt_neox": ("gpt_neox", COMMON, "end left"),
    "bloom": ("bloom", {"hidden_size": 32, "n_layer": 2, "n_head": 4}, "end left"),
    "opt": (
        "opt",
        {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "ffn_dim": 48, "word_embed_proj_dim": 32},
        "end",
    ),
    "llama": ("llama", DECODER, "end left"),
    "mistral": ("mistral", {**DECODER, "sliding_window": 8}, "end left"),
    "olmo": ("olmo", COMMON, "end left"),
    "granite": ("granite", COMMON, "end left"),
    "qwen3 left": ("qwen3", DECODER, "end left"),
    "qwen3 right": ("qwen3", DECODER, "end"),
    "gemma": ("gemma", DECODER, "around"),
    "gemma2": ("gemma2", {**DECODER, "query_pre_attn_scalar": 8}, "around left"),
    "gemma3": ("gemma3_text", {**DECODER, "use_bidirectional_attention": True}, "around"),
    "phi": ("phi", COMMON, "end left"),
    "smollm3": ("smollm3", DECODER, "end left"),
}


def tokenizer(marks: str = "around", words: int | None = None, **options: Any) -> PreTrainedTokenizerFast:
    """A tokenizer of whole words: marks around a text, at its end or none, padding on the right or, if said, left."""
    known = [*SPECIALS.values(), *WORDS[:words]]
    made = Tokenizer(models.WordLevel({word: place for place, word in enumerate(known)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[assignment]
    template = {"around": "<s> $A </s>", "end": "$A </s>", "bare": "$A"}[marks.split()[0]]
    special = [(mark, known.index(mark)) for mark in ("<s>", "</s>") if mark in template]
    pair = f"{template} {template.replace('$A', '$B')}"
    made.post_processor = processors.TemplateProcessing(single=template, pair=pair, special_tokens=special)  # type: ignore[assignment]
    given = {
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "cls_token": "<s>",
        "sep_token": "</s>",
        "mask_token": "<mask>",
        "model_max_length": 64,
    }
    given["padding_side"] = "left" if "left" in marks else "right"
    given |= options
    return PreTrainedTokenizerFast(tokenizer_object=made, **{name: one for name, one in given.items() if one})


def transformer(folder: Path, family: str, **options: Any) -> st.Transformer:
    """A transformers model of a family and its tokenizer in a folder, as the first module of an encoder."""
    name, sizes, marks = FAMILIES[family]
    words = tokenizer(marks, **options)
    config = transformers.AutoConfig.for_model(name, vocab_size=len(words), **sizes)
    for key, value in config.to_dict().items():
        if "drop" in key and isinstance(value, float):
            setattr(config, key, 0.0)  # one step of training is then the same every time
    for key, token in (("pad_token_id", 0), ("bos_token_id", 2), ("eos_token_id", 3), ("decoder_start_token_id", 0)):
        setattr(config, key, token)
    torch.manual_seed(0)
    kind = {"t5": "T5EncoderModel", "mt5": "MT5EncoderModel", "umt5": "UMT5EncoderModel"}.get(name)
    model = getattr(transformers, kind)(config) if kind else transformers.AutoModel.from_config(config)
    with torch.no_grad():  # larger weights than a new model has, so that its embeddings differ from each other
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(4)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return st.Transformer(str(folder))


def static(seed: int = 0, dim: int = 32) -> st.StaticEmbedding:
    torch.manual_seed(seed)
    words = tokenizer("bare").backend_tokenizer
    return st.StaticEmbedding(words, embedding_weights=torch.randn(words.get_vocab_size(), dim))


def of_family(family: str) -> Callable[[Path], SentenceTransformer]:
    def make(folder: Path) -> SentenceTransformer:
        last = family in ("qwen3 left", "mistral", "gpt2 left")
        return built(transformer(folder, family), st.Pooling(32, "lasttoken" if last else "mean"))

    return make


def built(*modules: Any, **options: Any) -> SentenceTransformer:
    return SentenceTransformer(modules=list(modules), device="cpu", **options)


def pooled(mode: Any, **options: Any) -> Callable[[Path], SentenceTransformer]:
    return lambda folder: built(transformer(folder, "bert"), st.Pooling(32, mode, **options))


def recurrent(folder: Path) -> SentenceTransformer:
    words = st.WordEmbeddings(
        st.tokenizer.WhitespaceTokenizer(vocab=["<none>", *WORDS], stop_words=[]), torch.randn(len(WORDS) + 1, 16)
    )
    return built(words, st.LSTM(16, 16, bidirectional=True), st.Pooling(32))


def bag_of_words(folder: Path) -> SentenceTransformer:
    return built(st.BoW(vocab=WORDS), st.Dense(len(WORDS), 32), st.Normalize())


def two_towers(folder: Path) -> SentenceTransformer:
    towers = [
        [transformer(folder / name, name), st.Pooling(32, mode)] for name, mode in (("bert", "cls"), ("t5", "mean"))
    ]
    return built(st.Router.for_query_document(query_modules=towers[0], document_modules=towers[1]), st.Normalize())


def one_tower_two_heads(folder: Path) -> SentenceTransformer:
    shared = [transformer(folder, "bert"), st.Pooling(32)]
    heads = [[*shared, st.Dense(32, 24)], [*shared, st.Dense(32, 24)]]
    return built(st.Router.for_query_document(query_modules=heads[0], document_modules=heads[1]))


def two_tables(folder: Path) -> SentenceTransformer:
    router = st.Router.for_query_document(query_modules=[static(0)], document_modules=[static(1)])
    return built(router, st.Normalize())


def layers_weighted(folder: Path) -> SentenceTransformer:
    first = transformer(folder, "bert")
    first.model.config.output_hidden_states = True
    return built(first, st.WeightedLayerPooling(32, num_hidden_layers=2, layer_start=1), st.Pooling(32))


def lengths_of_their_own(folder: Path) -> SentenceTransformer:
    first = transformer(folder, "bert")
    first.query_length, first.document_length = 5, 9
    return built(first, st.Pooling(32))


def convolutions(seed: int = 0, **sizes: Any) -> ConvText:
    """Of the architecture of use-multilingual, over whole words: number 0 is unknown, 1 and 2 are the marks."""
    known = ["<unk>", "<s>", "</s>", *WORDS]
    made = Tokenizer(models.WordLevel({word: place for place, word in enumerate(known)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[assignment]
    marks = [("<s>", 1), ("</s>", 2)]
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=marks)  # type: ignore[assignment]
    torch.manual_seed(seed)
    return ConvText(made, len(known), **{"dim": 16, "channels": 8, "hidden": 12, "output": 16, **sizes})


def cut_texts(folder: Path) -> SentenceTransformer:
    table = static()
    table.tokenizer.enable_truncation(4)
    return built(table)


PROMPTS = {"query": "query : ", "document": "passage that is about : "}
OTHERS: dict[str, Callable[[Path], SentenceTransformer]] = {
    "pooling cls": pooled("cls"),
    "pooling max": pooled("max"),
    "pooling by the root of the length": pooled("mean_sqrt_len_tokens"),
    "pooling weighted by place": pooled("weightedmean"),
    "pooling last token": pooled("lasttoken"),
    "pooling of two kinds": pooled(("cls", "mean")),
    "prompts": lambda folder: built(transformer(folder, "bert"), st.Pooling(32), prompts=PROMPTS),
    "prompts that pooling leaves out": lambda folder: built(
        transformer(folder, "bert"), st.Pooling(32, include_prompt=False), prompts=PROMPTS
    ),
    "prompts that pooling leaves out, padded on the left": lambda folder: built(
        transformer(folder, "qwen3 left"), st.Pooling(32, include_prompt=False), prompts=PROMPTS
    ),
    "prompts of a static encoder": lambda folder: built(static(), prompts=PROMPTS),
    "a dense layer": lambda folder: built(
        transformer(folder, "distilbert"), st.Pooling(32), st.Dense(32, 24), st.LayerNorm(24), st.Normalize()
    ),
    "layers weighted": layers_weighted,
    "dimensions cut": lambda folder: built(transformer(folder, "bert"), st.Pooling(32), truncate_dim=12),
    "dot": lambda folder: built(transformer(folder, "bert"), st.Pooling(32), similarity_fn_name="dot"),
    "euclidean": lambda folder: built(transformer(folder, "bert"), st.Pooling(32), similarity_fn_name="euclidean"),
    "manhattan": lambda folder: built(static(), similarity_fn_name="manhattan"),
    "no limit of length": lambda folder: built(transformer(folder, "t5", model_max_length=None), st.Pooling(32)),
    "lengths of their own": lengths_of_their_own,
    "cut at the start": lambda folder: built(
        transformer(folder, "bert", truncation_side="left", model_max_length=6), st.Pooling(32)
    ),
    "static": lambda folder: built(static()),
    "static, its tokenizer cuts": cut_texts,
    "convolutions": lambda folder: built(convolutions(), st.Normalize()),
    "convolutions, texts cut": lambda folder: built(convolutions(max_seq_length=9), prompts=PROMPTS),
    "words through an LSTM": recurrent,
    "bag of words": bag_of_words,
    "two towers": two_towers,
    "one tower, two heads": one_tower_two_heads,
    "two tables": two_tables,
}
KINDS = {name: of_family(name) for name in FAMILIES} | OTHERS
PADDED_OTHERWISE = {"convbert", "fnet", "gpt2 left"}  # their embedding of a text depends on what it is padded to


def library_training(
    model: SentenceTransformer,
    corpus: ParallelCorpus,
    plan: BatchPlan,
    settings: TrainingSettings,
    out: Path,
    **arguments: Any,
) -> SentenceTransformerTrainer:
    """Train a model on a plan with sentence-transformers' own trainer and loss; returns the trainer."""
    args = SentenceTransformerTrainingArguments(
        str(out),
        learning_rate=settings.learning_rate,
        warmup_steps=0,
        use_cpu=True,
        weight_decay=settings.weight_decay,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=plan.seed,
        **arguments,
        **plan_arguments(plan),
    )
    loss = MultipleNegativesRankingLoss(model, scale=1 / settings.temperature)
    trainer = SentenceTransformerTrainer(model=model, args=args, train_dataset=plan_dataset(plan, corpus), loss=loss)
    trainer.train()
    return trainer
