"""python -m oracle CHECK... --brokers B --prefix P --schemas DIR [--ledger FILE] [--reads URL] [--registry URL] [--masters KEYS]; a token in ORACLE_TOKEN."""

import argparse
import os
import sys

from . import accepted, figures, hours, journal, orders, registered, stream, vault
from .reads import Reads
from .registry import Registry
from .topics import Topics
from .wire import Schemas

CHECKS = {
    "stream": lambda facts: stream.check(facts.topics),
    "accepted": lambda facts: accepted.check(facts.topics, accepted.read_ledger(facts.ledger)),
    "straddling": lambda facts: accepted.straddling(facts.topics, accepted.read_ledger(facts.ledger)),
    "figures": lambda facts: figures.check(facts.topics, facts.reads),
    "hours": lambda facts: hours.check(facts.topics),
    "hours-read": lambda facts: hours.check_reads(facts.topics, facts.reads),
    "journal": lambda facts: journal.check(facts.topics, facts.reads),
    "orders": lambda facts: orders.check(facts.topics, facts.reads),
    "sealed": lambda facts: vault.check(facts.topics, facts.schemas, facts.masters, facts.expected),
    "copied": lambda facts: vault.check_copy(facts.copy, facts.masters),
    "registered": lambda facts: registered.check(facts.topics, facts.schemas, facts.registry),
}


class Facts:
    """What the checks look at."""

    def __init__(self, arguments):
        self.registry = Registry(arguments.registry) if arguments.registry else None
        self.schemas = Schemas(arguments.schemas, self.registry)
        self.topics = Topics(arguments.brokers, arguments.prefix, self.schemas)
        self.ledger = arguments.ledger
        self.masters = vault.parse_masters(arguments.masters)
        self.expected, self.copy = arguments.expect, arguments.copy
        self.reads = Reads(arguments.reads, os.environ.get("ORACLE_TOKEN", ""))


def main():
    parser = argparse.ArgumentParser(prog="oracle", description=__doc__)
    parser.add_argument("checks", nargs="+", choices=CHECKS)
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--schemas", required=True)
    parser.add_argument("--ledger")
    parser.add_argument("--reads")
    parser.add_argument("--registry", help="base URL; values in the Confluent wire format are then read with its schemas")
    parser.add_argument("--masters", default="", metavar="NUMBER:HEX,…", help="the master keys in use")
    parser.add_argument("--expect", action="append", default=[], metavar="TEXT", help="must be in what is opened")
    parser.add_argument("--copy", metavar="FILE", help="keys of a copy of the log, as JSON")
    arguments = parser.parse_args()
    facts = Facts(arguments)
    found = 0
    for name in arguments.checks:
        discrepancies = list(CHECKS[name](facts))
        found += len(discrepancies)
        print(f"{name}: {len(discrepancies)} discrepancies")
        for text in discrepancies[:50]:
            print(f"  {name}: {text}")
    for line in facts.topics.summary():
        print(line)
    sys.exit(1 if found else 0)


main()
