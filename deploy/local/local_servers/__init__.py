"""Real servers on loopback ports of one machine, without Docker: for a first look, for development, for tests.

Only the standard library: this runs before there is a virtual environment.

    cli.py          the commands
    places.py       where things lie, and what one state folder remembers: ports, passwords
    tools.py        Java, Maven, Go, PostgreSQL: found, installed, or asked for
    processes.py    starting and stopping by process id, so that no stranger is ever killed
    server.py       what every server has in common
    kafka.py, minio.py, postgresql.py    the servers themselves
    secure.py       the Kafka that asks who is there
    s3.py           the signed requests that make the bucket
    errors.py, console.py    what can go wrong; progress on standard error
"""
