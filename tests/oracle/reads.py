"""The projector's reads over HTTP, as an analyst."""

import json
import urllib.parse
import urllib.request
from decimal import Decimal


class Reads:
    def __init__(self, base, token):
        self.base, self.token = base, token

    def get(self, path, **query):
        """The answer to a strong read."""
        query = {name.rstrip("_"): value for name, value in query.items() if value is not None}
        url = f"{self.base}{path}?{urllib.parse.urlencode(query)}"
        headers = {"Authorization": f"Bearer {self.token}", "Till-Consistency": "strong", "Prefer": "wait=30"}
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
            return json.loads(answer.read(), parse_float=Decimal)

    def pages(self, path, entries, **query):
        """All entries of a list, page by page, in small pages so that there are many."""
        cursor = None
        while True:
            page = self.get(path, cursor=cursor, limit=97, **query)
            yield from page[entries]
            cursor = page["next_cursor"]
            if cursor is None:
                return
