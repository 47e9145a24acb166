"""What Schemathesis sends that the document's schemas can't mean."""

import schemathesis

FORM = "application/x-www-form-urlencoded"


@schemathesis.hook
def filter_case(context, case):
    """In a form an empty field is one that isn't given, and there is no null."""
    if case.media_type != FORM or not isinstance(case.body, dict):
        return True
    fields = [value if isinstance(value, list) else [value] for value in case.body.values()]
    return all(field and "" not in field and None not in field for field in fields)
