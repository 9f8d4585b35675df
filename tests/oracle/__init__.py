"""The oracle: judges from outside what a deployment of Till did.

It shares nothing with Till but the Avro schemas, which it reads as data. Its inputs are the ledger (what clients sent and
were answered), the topics as they are in Kafka, and the projector's HTTP reads. Each check yields discrepancies, one text
each; the oracle prints them all and ends with 1 if there is any.
"""
