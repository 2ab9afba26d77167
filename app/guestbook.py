"""A guestbook: reads and writes entries in PostgreSQL.

GET /          the page; POST / with a form writes an entry
GET /entries   the newest entries as JSON; POST /entries with JSON or a form writes one
GET /healthz   200 while the database answers
"""

import os
import socket
from contextlib import closing

import psycopg2
from flask import Flask, jsonify, redirect, render_template, request

NEWEST = 50
LONGEST = 500

app = Flask(__name__)


def connection():
    return closing(psycopg2.connect(os.environ["GUESTBOOK_DSN"], connect_timeout=5))


@app.get("/")
def page():
    return render_template(
        "page.html", entries=entries(), longest=LONGEST, served_by=socket.gethostname()
    )


@app.post("/")
def sign():
    write(request.form.get("name", ""), request.form.get("text", ""))
    return redirect("/", code=303)


@app.get("/entries")
def listed():
    return jsonify(entries())


@app.post("/entries")
def add():
    given = request.get_json(silent=True)
    given = given if isinstance(given, dict) else request.form
    written = write(given.get("name") or "", given.get("text") or "")
    if not written:
        return jsonify(error="an entry needs a text"), 400
    return jsonify(written), 201


@app.get("/healthz")
def healthz():
    try:
        with connection() as database, database, database.cursor() as cursor:
            cursor.execute("select 1 from entries limit 1")
    except psycopg2.Error:
        return "the database does not answer\n", 503
    return "ok\n"


def entries():
    with connection() as database, database, database.cursor() as cursor:
        cursor.execute(
            "select name, text, to_char(at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI\"Z\"')"
            " from entries order by id desc limit %s",
            (NEWEST,),
        )
        return [{"name": name, "text": text, "at": at} for name, text, at in cursor.fetchall()]


def write(name, text):
    """The entry as it was kept; None without a text. PostgreSQL keeps no NUL."""
    name, text = (str(part).replace("\0", "").strip()[:LONGEST] for part in (name, text))
    if not text:
        return None
    name = name or "somebody"
    with connection() as database, database, database.cursor() as cursor:
        cursor.execute("insert into entries (name, text) values (%s, %s)", (name, text))
    return {"name": name, "text": text}
