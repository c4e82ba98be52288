"""The parts that formats of a Message share, in our shape: titles, options, links, assets, named values.

A field that we know no place for is kept under `extra` of its part, in Salesforce's own words.
"""

from streams.core.content.taking import Part, shaped
from streams.core.model.lenient import Object

_TITLES = frozenset({"TitleItem", "TitleImageItem", "TitleVideoItem"})
_INTERACTIONS = frozenset({"TitleOptionItem", "TitleLinkItem", "TimeSlotOptionItem"})
_ASSETS = {"ImageAsset": "image", "VideoAsset": "video", "DocumentAsset": "document"}
_SUBTITLES = {
    "subTitle": "subtitle",
    "secondarySubTitle": "secondary_subtitle",
    "tertiarySubTitle": "tertiary_subtitle",
    "imageSubTitle": "image_subtitle",
}
SUBTITLES = tuple(_SUBTITLES.values())
_TITLE = {"title": "title", **_SUBTITLES, "imageId": "image_id", "videoId": "video_id"}


def title_fields(owner: Part, name: str) -> Object:
    """`title`, its sub-titles, `image_id` and `video_id` of a titleItem; empty when there is none."""
    item = owner.part(name)
    if item is None:
        return owner.texts({name: "title"})
    fields = item.texts(_TITLE)
    item.drop("itemType", _TITLES)
    owner.keep(name, item.left())
    return fields


def option(item: Part) -> Object:
    """An option to choose (it has an `id`), or a link among options (it has a `url`)."""
    inner = item.part("optionItem")  # an option that leads to another question wraps it
    chosen = item if inner is None else inner
    identifier = chosen.text("optionIdentifier")
    fields = {
        "id": chosen.text("optionId") if identifier is None else identifier,
        **_named(chosen),
        "url": chosen.text("url"),
        "next_input_id": item.text("nextInputId"),
    }
    chosen.drop("itemType", _INTERACTIONS)
    if inner is not None:
        item.keep("optionItem", inner.left())
    return shaped(item, **fields)


def _named(item: Part) -> Object:
    fields = title_fields(item, "titleItem")
    return fields if "title" in fields else fields | item.texts({"title": "title"})


def options(owner: Part, name: str) -> list[Object]:
    """The options of an array."""
    return [option(item) for item in owner.parts(name)]


def slot(item: Part) -> Object:
    """A time to choose: `duration_s` are seconds."""
    fields = {
        "id": item.text("optionIdentifier"),
        "start_time": item.text("startTime"),
        "duration_s": item.scalar("duration"),
    }
    item.drop("itemType", _INTERACTIONS)
    return shaped(item, **fields)


def link(item: Part) -> Object:
    """A link, with its title when it has one."""
    fields = title_fields(item, "titleItem")
    item.drop("itemType", _INTERACTIONS)
    return shaped(item, **fields, url=item.text("url"))


_ASSET = {"id": "id", "title": "title", "mimeType": "mime_type", "assetUrl": "url", "description": "description"}


def asset(item: Part) -> Object:
    """An image, a video or a document. Its `url` may be a secret of the customer."""
    return shaped(item, kind=item.word("assetType", _ASSETS), **item.texts(_ASSET))


def assets(owner: Part, name: str) -> list[Object]:
    """The assets of an array; titles refer to them by `image_id`."""
    return [asset(item) for item in owner.parts(name)]


def one(owner: Part, name: str) -> Part:
    """The object under `name`; an empty one when there is none."""
    return owner.part(name) or Part({})


def named_values(owner: Part, name: str) -> list[Object]:
    """Names with Salesforce's own typed values, untouched."""
    return [shaped(item, name=item.text("name"), value=item.value("value")) for item in owner.parts(name)]
