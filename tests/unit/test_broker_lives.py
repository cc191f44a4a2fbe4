"""Whose words are old news: of the same connection's lives, those before the latest that was heard of."""

from shared.broker import lives
from shared.broker.lives import Life, Lives


def test_what_was_said_in_an_earlier_life_is_over_once_a_later_one_was_heard_of() -> None:
    life, heard = Life(), Lives()
    first = life.stamp
    assert not heard.is_over(first)
    life.end()
    assert not heard.is_over(first), "nothing later was heard of yet"
    assert not heard.is_over(life.stamp)
    assert heard.is_over(first)
    assert not heard.is_over(life.stamp)


def test_lives_of_others_are_their_own() -> None:
    one, other, heard = Life(), Life(), Lives()
    one.end()
    assert not heard.is_over(one.stamp)
    assert not heard.is_over(other.stamp)


def test_what_says_nothing_of_a_life_is_never_over() -> None:
    heard = Lives()
    for stamp in ("", "x", "x y", "x -1", " 1"):
        assert not heard.is_over(stamp)
        assert not heard.is_over(stamp)


def test_no_more_than_so_many_lives_are_remembered() -> None:
    heard = Lives()
    for number in range(lives.MAX_KEPT + 10):
        heard.is_over(f"{number} 1")
    assert not heard.is_over("0 0"), "long forgotten"
    assert heard.is_over(f"{lives.MAX_KEPT} 0")
