from __future__ import annotations

from urllib.parse import parse_qsl, unquote, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from webstat import addresses
from webstat.pages import find

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(names, names)
def test_pages_are_found_again_whatever_the_names(cluster: str, name: str) -> None:
    for address, word in (
        (addresses.job_page(cluster, name), "job"),
        (addresses.node_page(cluster, name), "node"),
    ):
        found = find(address)
        assert found is not None
        assert found[1] == {"cluster": cluster, word: name}
    assert find(addresses.user_page(name))[1] == {"user": name}  # type: ignore[index]


@given(names, names)
def test_a_filter_is_one_name_whatever_it_holds(queue: str, text: str) -> None:
    query = dict(parse_qsl(urlsplit(addresses.jobs_page(queue=queue, q=text, state="queued,held")).query))
    assert [unquote(item) for item in query["queue"].split(",")] == [queue]
    assert query["q"] == text
    assert query["state"].split(",") == ["queued", "held"]
    assert addresses.jobs_page() == "/jobs"
