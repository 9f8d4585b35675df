"""The topics as they are in Kafka, by raw offsets."""

import time
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, TopicPartition

# How long a topic may take to be read whole: an open transaction holds committed readers until it times out.
READ_WITHIN_S = 120


@dataclass(frozen=True)
class Record:
    partition: int
    offset: int
    stamp_ms: int  # by the broker, when it appended
    key: bytes
    headers: dict
    type: str
    event: dict
    schema_id: int | None  # in the registry

    @property
    def place(self):
        return f"{self.partition}/{self.offset}"


class Topics:
    """Reads each topic once, whole, up to its high watermark."""

    def __init__(self, brokers, prefix, schemas):
        self.brokers, self.prefix, self.schemas = brokers, prefix, schemas
        self.read = {}
        self.faults = []

    def committed(self, noun):
        """The committed records of a topic, in the order of offsets within each partition."""
        return self._records(noun, "read_committed")

    def uncommitted(self, noun):
        """All data records, those of aborted transactions too."""
        return self._records(noun, "read_uncommitted")

    def partitions(self, noun):
        self.committed(noun)
        return len(self.read[noun, "read_committed"][0])

    def summary(self):
        for (noun, isolation), (ends, records) in self.read.items():
            yield f"{noun} ({isolation}): {len(records)} records in {len(ends)} partitions"

    def _records(self, noun, isolation):
        if (noun, isolation) not in self.read:
            self.read[noun, isolation] = self._read(f"{self.prefix}.{noun}", isolation)
        return self.read[noun, isolation][1]

    def _read(self, topic, isolation):
        consumer = Consumer(
            {
                "bootstrap.servers": self.brokers,
                "group.id": "oracle",
                "enable.auto.commit": False,
                "isolation.level": isolation,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
            }
        )
        try:
            return self._drain(consumer, topic)
        finally:
            consumer.close()

    def _drain(self, consumer, topic):
        partitions = sorted(consumer.list_topics(topic, timeout=30).topics[topic].partitions)
        if not partitions:
            raise RuntimeError(f"there is no topic {topic}")
        # The watermarks of a query are those of the log, not the last stable offset.
        ends = {p: self._watermark(topic, p) for p in partitions}
        consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions])
        reached, records = {}, []
        deadline = time.monotonic() + READ_WITHIN_S
        while any(reached.get(p, 0) < end for p, end in ends.items()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{topic} could not be read to its end: at {reached}, wanted {ends}")
            for message in consumer.consume(1000, timeout=1):
                if message.error() is None:
                    records.append(self._record(topic, message))
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    reached[message.partition()] = message.offset()
                else:
                    raise RuntimeError(f"{topic}: {message.error()}")
        records.sort(key=lambda record: (record.partition, record.offset))
        return ends, [r for r in records if r.offset < ends[r.partition]]

    def _watermark(self, topic, partition):
        consumer = Consumer({"bootstrap.servers": self.brokers, "group.id": "oracle", "isolation.level": "read_uncommitted"})
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
        finally:
            consumer.close()
        # Of persons' keys the log forgets what is not the latest, also from its beginning.
        if low != 0 and topic != f"{self.prefix}.keys":
            self.faults.append(f"{topic}/{partition} begins at {low}, not at 0")
        return high

    def _record(self, topic, message):
        kind, stamp = message.timestamp()
        where = f"{topic}/{message.partition()}@{message.offset()}"
        if kind != TIMESTAMP_LOG_APPEND_TIME:
            self.faults.append(f"{where} is not stamped by the broker")
        headers = dict(message.headers() or [])
        if message.value() is None:
            return Record(message.partition(), message.offset(), stamp, message.key(), headers, "KeyForgotten", {}, None)
        try:
            name, event, mark, schema_id = self.schemas.decode(message.value(), headers.get("schema"))
        except (ValueError, EOFError, TypeError, IndexError) as fault:
            self.faults.append(f"{where} cannot be decoded: {fault}")
            name, event, mark, schema_id = "", {}, b"", None
        if headers.get("event-type", b"").decode() != name or headers.get("schema") != mark:
            self.faults.append(f"{where}: its headers are not those of {name}")
        return Record(message.partition(), message.offset(), stamp, message.key(), headers, name, event, schema_id)
