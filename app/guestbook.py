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
    return render_template("page.html", entries=entries(), served_by=socket.gethostname())


@app.post("/")
def sign():
    write(request.form.get("name", ""), request.form.get("text", ""))
    return redirect("/", code=303)


@app.get("/entries")
def listed():
    return jsonify(entries())


@app.post("/entries")
def add():
    given = request.get_json(silent=True) or request.form
    written = write(str(given.get("name", "")), str(given.get("text", "")))
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
            "select name, text, to_char(at, 'YYYY-MM-DD HH24:MI') from entries"
            " order by id desc limit %s",
            (NEWEST,),
        )
        return [{"name": name, "text": text, "at": at} for name, text, at in cursor.fetchall()]


def write(name, text):
    name, text = name.strip()[:LONGEST] or "somebody", text.strip()[:LONGEST]
    if not text:
        return None
    with connection() as database, database, database.cursor() as cursor:
        cursor.execute("insert into entries (name, text) values (%s, %s)", (name, text))
    return {"name": name, "text": text}
