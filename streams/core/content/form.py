"""A form with its questions, in our shape. The end user's response names each question by its `id`."""

from streams.core.content.parts import assets, options, title_fields
from streams.core.content.taking import Part, shaped
from streams.core.model.lenient import Object

_KINDS = {
    "TextInput": "text",
    "SelectInput": "select",
    "SelectNavigationInput": "select_navigation",
    "OptionPickerInput": "option_picker",
    "DatePickerInput": "date_picker",
    "DateTimePickerInput": "date_time_picker",
    "StaticTitle": "static_title",
    "StaticFooter": "static_footer",
}
# Ours, and theirs: a date and a date with time name the same things differently.
_SETTINGS = {
    "hint": ("hintText",),
    "required": ("required",),
    "multiple": ("multipleSelection",),
    "display": ("selectionDisplay",),
    "selected_index": ("selectedOptionIndex",),
    "date_format": ("dateFormat", "dateTimeFormat"),
    "start": ("startDate", "startDateTime"),
    "minimum": ("minimumDate", "minimumDateTime"),
    "maximum": ("maximumDate", "maximumDateTime"),
    "pattern": ("regEx",),
    "prefix": ("prefixText",),
    "max_length": ("maximumCharacterCount",),
    "keyboard": ("keyboardType",),
    "lines": ("textInputType",),
    "content_type": ("textContentType",),
    "placeholder": ("placeholder",),
    "button": ("buttonLabel",),
}


def form(container: Part) -> Object:
    """The fields of a form: title, intro, and one section per question."""
    intro = container.part("introScreen")
    return {
        **title_fields(container, "formTitle"),
        "intro": None if intro is None else _intro(intro),
        "message": title_fields(container, "message"),
        "sections": [_section(each) for each in container.parts("sections")],
        "reply": title_fields(container, "reply"),
        "images": assets(container, "images"),
    }


def _intro(item: Part) -> Object:
    fields = {
        "title": item.text("title"),
        "text": item.text("text"),
        "button": item.text("buttonLabel"),
        "image_id": item.text("imageId"),
    }
    item.drop("screenType", frozenset({"FormSplashScreen"}))
    return shaped(item, **fields)


def _section(item: Part) -> Object:
    question = item.part("input")
    fields = {
        "input": None if question is None else _input(question),
        "next_input_id": item.text("nextSectionInputId"),
        "submits": item.scalar("submitForm"),
    }
    item.drop("sectionType", frozenset({"SingleInputSection"}))
    return shaped(item, **fields)


def _input(item: Part) -> Object:
    fields = {
        "id": item.text("id"),
        "kind": item.word("inputType", _KINDS),
        **title_fields(item, "titleItem"),
        "label": title_fields(item, "label"),
        **{ours: found for ours, theirs in _SETTINGS.items() if (found := item.scalar(*theirs)) is not None},
        "options": options(item, "optionItems"),
    }
    return shaped(item, **fields)
