"""The places where something is written, and how to read all of it."""

import asyncio
import base64
import json
from collections.abc import Iterator
from typing import Any

import boto3
import psycopg
from psycopg import sql
from sqlalchemy import make_url
from temporalio.client import Client

from tests.keys.planted import Finder, Leak
from tests.keys.site import Site


def histories(site: Site, finder: Finder) -> list[Leak]:
    """Every history of Temporal, as JSON and with its payloads decoded."""
    return asyncio.run(_histories(site.info.temporal, finder))


async def _histories(address: str, finder: Finder) -> list[Leak]:
    client = await Client.connect(address)
    leaks: list[Leak] = []
    async for found in client.list_workflows():
        history = await client.get_workflow_handle(found.id, run_id=found.run_id).fetch_history()
        written = history.to_json()
        leaks += finder.look(f"history of {found.id}", written)
        for payload in _payloads(json.loads(written)):
            leaks += finder.look(f"payload of {found.id}", payload)
    return leaks


def _payloads(told: Any) -> Iterator[bytes]:
    if isinstance(told, dict):
        if isinstance(data := told.get("data"), str):
            yield base64.b64decode(data)
        for part in told.values():
            yield from _payloads(part)
    elif isinstance(told, list):
        for part in told:
            yield from _payloads(part)


def objects(site: Site, finder: Finder) -> list[Leak]:
    """Every object in S3, its name and what is told of it."""
    client = boto3.client(
        "s3",
        endpoint_url=site.info.s3,
        region_name="us-east-1",
        aws_access_key_id="FFPLANTED",
        aws_secret_access_key=site.own["s3_secret_key"].value,
    )
    leaks: list[Leak] = []
    for page in client.get_paginator("list_objects_v2").paginate(Bucket="filmforge"):
        for item in page.get("Contents", ()):
            found = client.get_object(Bucket="filmforge", Key=item["Key"])
            told = f"{item['Key']} {found['Metadata']} {found['ResponseMetadata']['HTTPHeaders']}"
            leaks += finder.look(f"object {item['Key']}", told.encode() + found["Body"].read())
    return leaks


def answers(site: Site, finder: Finder) -> list[Leak]:
    """Every HTTP answer, head and body."""
    return [leak for where, what in site.answers for leak in finder.look(where, what)]


def command_lines(site: Site, finder: Finder) -> list[Leak]:
    """What `ps` shows of every process."""
    return [
        leak
        for process in site.family
        for leak in finder.look(f"argv of {process.name()}", "\0".join(process.cmdline()))
    ]


def rows(site: Site, finder: Finder) -> list[Leak]:
    """Every row of every table of the ledger."""
    url = make_url(site.database_url)
    leaks: list[Leak] = []
    with psycopg.connect(host=url.query["host"], user=url.username, dbname=url.database) as ledger:  # type: ignore[arg-type] # host is one
        named = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        for (table,) in ledger.execute(named).fetchall():
            every = sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(table))
            for (row,) in ledger.execute(every):
                leaks += finder.look(f"table {table}", row)
    return leaks
