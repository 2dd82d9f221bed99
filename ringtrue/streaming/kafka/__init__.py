"""The log on a Kafka cluster: read-process-write transactions of librdkafka behind the port.

Read `member.py` first: what a worker receives and commits. `transactions.py` keeps what may be done with a producer,
`restore.py` how keyed state comes back, `errors.py` what each error means, `log.py` the rest of the port.
"""
