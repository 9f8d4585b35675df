"""A schema registry, asked over Confluent's REST API."""

import functools
import json
import urllib.error
import urllib.parse
import urllib.request

from .wire import Schema

ANSWERS_WITHIN_S = 30


class Registry:
    def __init__(self, url):
        self.url = url.rstrip("/")

    @functools.cache
    def schema(self, schema_id):
        """The schema with this id."""
        return Schema(json.loads(self._get("schemas", "ids", schema_id)["schema"]))

    def subjects(self):
        return self._get("subjects")

    @functools.cache
    def versions(self, subject):
        """The subject's schemas as (id, schema), oldest first."""
        numbers = self._get("subjects", subject, "versions")
        versions = [self._get("subjects", subject, "versions", number) for number in sorted(numbers)]
        return [(version["id"], Schema(json.loads(version["schema"]))) for version in versions]

    def compatibility(self, subject):
        return self._get("config", subject)["compatibilityLevel"]

    def _get(self, *path):
        url = "/".join([self.url, *(urllib.parse.quote(str(part), safe="") for part in path)])
        try:
            with urllib.request.urlopen(url, timeout=ANSWERS_WITHIN_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise ValueError(f"the registry answers {error.code} to {url}: {error.read().decode()}") from error
