"""The registry against the log and the repository: what any consumer of the Confluent wire format relies on."""

COMPATIBILITY = "FULL_TRANSITIVE"

# It is written sealed, within events, so that whoever has no key of the vault has no use for its schema.
SEALED = "till.Personal"


def check(topics, schemas, registry):
    subjects = [subject for subject in registry.subjects() if subject.startswith(f"{topics.prefix}.")]
    named = 0
    for noun in ("receipts", "accounts", "people", "catalogue", "stock", "orders", "analytics", "shards"):
        for record in topics.committed(noun):
            if record.schema_id is not None:
                named += 1
                yield from check_record(f"{topics.prefix}.{noun}", record, subjects, registry)
    print(f"registered: {named} values name a schema of the registry")
    if not named:
        yield "no value names a schema of the registry"
    yield from topics.faults
    for full_name, marks in schemas.versions.items():
        if full_name != SEALED:
            yield from check_subjects(full_name, marks, [s for s in subjects if s.endswith(f"-{full_name}")], registry)
    if sealed := [subject for subject in subjects if subject.endswith(f"-{SEALED}")]:
        yield f"what is sealed has the subjects {sealed}, expected none"


def check_record(topic, record, subjects, registry):
    """The id must be one of the subject that the record's topic and type make."""
    subject = f"{topic}-{registry.schema(record.schema_id).full_name}"
    if subject not in subjects or record.schema_id not in [schema_id for schema_id, _ in registry.versions(subject)]:
        yield f"{topic} {record.place}: the schema {record.schema_id} is not of the subject {subject}"


def check_subjects(full_name, marks, subjects, registry):
    """One subject a type, with every version of the repository, oldest first, and no other."""
    if len(subjects) != 1:
        yield f"{full_name} has the subjects {subjects}, expected one"
    for subject in subjects:
        found = [schema.mark for _, schema in registry.versions(subject)]
        if found != marks:
            yield f"{subject} has the versions {[m.hex() for m in found]}, the repository {[m.hex() for m in marks]}"
        if registry.compatibility(subject) != COMPATIBILITY:
            yield f"{subject} is held to {registry.compatibility(subject)}, expected {COMPATIBILITY}"
