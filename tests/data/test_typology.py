"""Syntactic distances: a metric's first properties, and languages that the table does not have."""

import pytest

from hybridkit.data.languages import families, language_distance
from hybridkit.data.sources.published import published_table
from hybridkit.data.typology import syntactic_distance
from hybridkit.errors import InputError


def test_the_table_has_every_language_whose_family_the_kit_knows() -> None:
    table = published_table("uriel_syntax.csv", ("language", "code", "syntax"))
    assert "no" in set(table["language"]) and table["language"].is_unique  # Norwegian is no missing value
    assert {len(digits) for digits in table["syntax"]} == {103} and set("".join(table["syntax"])) == {"0", "1"}
    assert all(language_distance(tag, "en") <= 4 for tag in table["language"]) and len(families()) > 20


def test_it_is_symmetric_and_relatives_are_nearer() -> None:
    assert syntactic_distance("de", "en") == syntactic_distance("en", "de") < syntactic_distance("de", "th")
    assert syntactic_distance("zh-Hant", "zh") == syntactic_distance("th", "th") == 0


def test_a_language_without_features_is_named() -> None:
    with pytest.raises(InputError, match="^la: URIEL's syntactic features are kept for af am .*; leave la out"):
        syntactic_distance("la", "de")
