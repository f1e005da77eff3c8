"""What the tests read: one JSON object a line on standard output, as muji-call --json writes it."""

import json


def tell(event, **fields):
    print(json.dumps({"event": event, **fields}, separators=(",", ":")), flush=True)
