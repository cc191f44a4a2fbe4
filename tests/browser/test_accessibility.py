"""What axe finds is told in words."""

import pytest

from tests.support.browser.accessibility import axe
from tests.support.browser.people import People


async def test_what_breaks_a_rule_is_named_with_its_place(people: People) -> None:
    ann = await people.join("ann", "/schema")
    await axe(ann.page)
    await ann.page.evaluate("document.querySelector('main').append(Object.assign(new Image(), { className: 'bare' }))")
    with pytest.raises(AssertionError, match=r'image-alt \(critical\)[\s\S]*<img class="bare">'):
        await axe(ann.page)
