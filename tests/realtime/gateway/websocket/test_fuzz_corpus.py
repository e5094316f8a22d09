"""Every input of the fuzz target's corpus keeps the codec's promises, and a few thousand more."""

from __future__ import annotations

import pytest

from fuzz.websocket_codec import CORPUS, check, mutations, seeds


@pytest.mark.parametrize("name", sorted(path.name for path in CORPUS.iterdir()))
def test_an_input_of_the_corpus_keeps_every_promise(name: str) -> None:
    check((CORPUS / name).read_bytes())


def test_mutations_of_the_corpus_keep_every_promise() -> None:
    for data, _ in zip(mutations(seeds(), seed=4), range(3000), strict=False):
        check(data)
