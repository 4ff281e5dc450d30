from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from webstat.identity import DOTTED, HUES, OTHERS, PLAIN, STRIPED, Shade, colour, first_hue, hues, shades

names = st.text(min_size=1, max_size=12)
weights = st.lists(st.tuples(names, st.sampled_from(["a", "b"]), st.floats(min_value=0.1, max_value=1e6)), max_size=40)


def test_the_heaviest_seven_of_a_cluster_get_seven_hues() -> None:
    rows = [(f"user{place}", "a", 1000.0 - place) for place in range(7)]
    assert sorted(hues(rows).values()) == [1, 2, 3, 4, 5, 6, 7]


def test_the_heaviest_gets_the_hue_of_its_name() -> None:
    assert hues([("alice", "a", 5.0), ("bob", "a", 1.0)])["alice"] == first_hue("alice")


def test_only_ones_own_clusters_count() -> None:
    same = [name for name in (f"u{n}" for n in range(100)) if first_hue(name) == 3][:2]
    chosen = hues([(same[0], "a", 10.0), (same[1], "b", 5.0)])
    assert chosen == {same[0]: 3, same[1]: 3}
    chosen = hues([(same[0], "a", 10.0), (same[1], "a", 5.0)])
    assert chosen[same[0]] == 3
    assert chosen[same[1]] != 3


@given(weights, st.randoms())
def test_the_same_for_every_viewer_and_order(rows: list[tuple[str, str, float]], random: object) -> None:
    merged: dict[tuple[str, str], float] = {}
    for name, cluster, hours in rows:
        merged[name, cluster] = max(hours, merged.get((name, cluster), 0))
    unique = [(name, cluster, hours) for (name, cluster), hours in merged.items()]
    shuffled = list(unique)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert hues(unique) == hues(shuffled)
    assert set(hues(unique).values()) <= set(range(1, HUES + 1))


@given(st.lists(names, max_size=12, unique=True), st.dictionaries(names, st.integers(min_value=1, max_value=7)))
def test_at_most_seven_are_coloured_and_no_two_plain_ones_are_alike(shown: list[str], known: dict[str, int]) -> None:
    result = shades(shown, known)
    assert list(result) == shown
    assert [shade for place, shade in enumerate(result.values()) if place >= HUES] == [OTHERS] * max(
        0, len(shown) - HUES
    )
    plain = [shade.hue for shade in result.values() if shade.texture == PLAIN and shade != OTHERS]
    assert len(plain) == len(set(plain))


def test_of_those_with_one_hue_the_second_is_striped_and_the_third_dotted() -> None:
    shown = shades(["bob", "dave", "erin"], dict.fromkeys(("bob", "dave", "erin"), 2))
    assert shown == {"bob": Shade(2), "dave": Shade(2, STRIPED), "erin": Shade(2, DOTTED)}


def test_colours_are_those_of_the_theme() -> None:
    assert colour(Shade(1), "light") == "#CB7F00"
    assert colour(OTHERS, "dark") == "#454F5A"
