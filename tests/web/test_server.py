"""The server: what it lets through, and to whom."""

import json
import re
import socket

import pytest

from emma_fusion.cli import main
from emma_fusion.errors import UserError
from emma_fusion.web import server as room
from web_images import png

MODEL = "small.safetensors"
HOST = {"host": "127.0.0.1:7860"}


def test_without_gradio_one_line_names_the_extra(monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit) as ended:
        main(["serve"])
    assert ended.value.code == 2
    assert "emma-fusion[web]" in capsys.readouterr().err


def test_a_model_that_is_not_there_is_said_before_anything_starts(monkeypatch, capsys):
    monkeypatch.setattr(room, "need_gradio", lambda: None)
    with pytest.raises(SystemExit) as ended:
        main(["serve", "--model", "absent.safetensors"])
    assert ended.value.code == 2
    assert "absent.safetensors" in capsys.readouterr().err


@pytest.fixture
def client(studio):
    pytest.importorskip("gradio", "6", reason="needs the extra web")
    from starlette.testclient import TestClient

    return TestClient(room.make_server(studio), base_url="http://127.0.0.1:7860")


def test_the_page_and_nothing_else_is_there(client):
    page = client.get("/")
    assert "<h1>emma-fusion</h1>" in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for name in {path.name for path in room.PAGE.iterdir()} - {"index.html"}:
        assert client.get(f"/page/{name}").status_code == 200
        assert "://" not in client.get(f"/page/{name}").text.replace("http://www.w3.org/", "")
    for path in ("/page/index.html", "/page/..%2fserver.py", "/page/../server.py", "/favicon.ico"):
        assert client.get(path).status_code == 404, path


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example:7860"},
        {"host": "127.0.0.1.evil.example"},
        HOST | {"origin": "http://evil.example"},
        HOST | {"origin": "http://127.0.0.1:1"},
        HOST | {"origin": "null"},
        HOST | {"origin": "http://["},
        {"host": "["},
        {"host": "[::1"},
        {"host": "127.0.0.1]"},
    ],
)
def test_other_sites_are_refused(client, headers):
    assert client.get("/settings", headers=headers).status_code == 403
    assert client.post("/upload?kind=infrared", headers=headers, content=png()).status_code == 403


def test_the_page_itself_may_ask(client):
    for host in ("127.0.0.1:7860", "localhost:7860"):
        headers = {"host": host, "origin": f"http://{host}"}
        settings = client.get("/settings", headers=headers).json()
        assert settings["models"][0] == MODEL
        assert settings["limits"]["pixels"] == 10_000


def test_names_from_outside_never_touch_the_file_system(client, studio):
    for name in ("../../evil.png", "/etc/evil.png", "C:\\evil.png", "evil\n.png", "a" * 5000):
        query = {"kind": "infrared", "name": name}
        answer = client.post("/upload", params=query, content=png()).json()
        assert not set("/\\\n") & set(answer["name"])
        assert len(answer["name"]) <= 100
        client.post("/upload", params=query | {"kind": "file"}, content=b"x")
    folder = studio.shelf.get(answer["token"]).path.parent
    assert all(re.fullmatch(r"[\w-]{32}", path.name) for path in folder.iterdir())
    assert len(list(folder.iterdir())) == 20
    assert folder.stat().st_mode & 0o77 == 0  # for this user alone


def test_what_is_too_large_is_refused_by_what_it_says_and_by_what_it_is(client, studio):
    query = {"kind": "file", "name": "a.png"}
    said = client.post("/upload", params=query, content=bytes(1_000_001))
    assert said.status_code == 413
    assert said.text == "a.png has more than 1 MB, which is the limit here."
    parts = (bytes(100_000) for _ in range(11))  # no length is told
    assert client.post("/upload", params=query, content=parts).status_code == 413
    assert client.post("/upload", params=query | {"kind": "big"}, content=bytes(1_000_001)).json()
    folder = studio.shelf.reserve()[1].parent
    assert [path.stat().st_size for path in folder.iterdir()] == [1_000_001]


def test_a_file_that_is_no_image_is_refused_in_a_sentence(client):
    query = {"kind": "visible", "name": "letter.png"}
    answer = client.post("/upload", params=query, content=b"Dear all")
    assert answer.status_code == 400
    assert answer.text.startswith("letter.png ")


def test_a_download_has_its_name_and_a_stranger_gets_nothing(client, studio):
    token = studio.shelf.put(b"abc", "straße-fused.png", "image/png")
    answer = client.get(f"/download/{token}")
    assert answer.content == b"abc"
    assert "stra%C3%9Fe-fused.png" in answer.headers["content-disposition"]
    for path in ("/download/x", "/view/x", "/download/..%2f..%2fetc%2fpasswd"):
        answer = client.get(path)
        assert answer.status_code in (400, 404)
        assert "root:" not in answer.text


def test_it_listens_here_alone_and_talks_to_nobody(studio, monkeypatch):
    pytest.importorskip("gradio", "6", reason="needs the extra web")
    import httpx

    spoken_to = []
    connect = socket.socket.connect

    def note(self, address):
        spoken_to.append(address)
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", note)
    tokens = {
        side: studio.take_image(png(seed=n), "a.png", n == 0)["token"]
        for n, side in enumerate(("infrared", "visible"))
    }
    with room.serving(room.make_server(studio), None) as address:
        port = int(address.rstrip("/").rsplit(":", 1)[1])
        assert address.startswith("http://127.0.0.1:")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port))
        with pytest.raises(UserError, match="--port"), room.serving(room.make_server(studio), port):
            pass
        for path in (  # what Gradio itself offers
            *("config", "theme.css", "monitoring", "manifest.json", "login_check", "robots.txt"),
            *(
                "gradio_api/info",
                "gradio_api/file=/etc/passwd",
                "gradio_api/proxy=https://a.hf.space/",
            ),
        ):
            assert httpx.get(address + path).text == "There is nothing here.", path
        for path in ("gradio_api/upload", "gradio_api/queue/join", "gradio_api/run/fuse", "login"):
            assert httpx.post(address + path).text == "There is nothing here.", path
        call = f"{address}gradio_api/call/fuse"
        event = httpx.post(call, json={"data": [{"model": MODEL, **tokens}]}).json()["event_id"]
        said = httpx.get(f"{call}/{event}", timeout=60).text
    states = [json.loads(line[6:])[0]["state"] for line in said.splitlines() if line[:5] == "data:"]
    assert states == ["started", "fused", "done", "done"]  # Gradio says the last one twice
    assert {address[0] for address in spoken_to if isinstance(address, tuple)} <= {
        "127.0.0.1",
        "127.0.0.2",
    }
