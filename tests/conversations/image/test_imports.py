"""Importing data: staged before, or fetched from a URL."""

from __future__ import annotations

import http.server
import threading
import time

import pytest

from monostack.image import fetch

DATA = b"data from afar " * 50_000


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by path: the data, less than was promised, an error, a redirect."""

    def do_GET(self):  # noqa: N802 - the library's name
        if self.path == "/missing":
            self.send_error(404, "Not here")
            return
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", "/data" if self.path == "/moved" else self.path)
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(DATA) + (10 if self.path == "/short" else 0)))
        self.end_headers()
        self.wfile.write(DATA)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def web(monkeypatch):
    """A web server whose address, for once, images may be fetched from; its URL."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr(fetch, "PORTS", {"http": server.server_port})
    monkeypatch.setattr(fetch, "_check_address", lambda text: None)
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def stage(api, image, data):
    return api.put(
        f"/images/{image}/stage", content=data, headers={"Content-Type": "application/octet-stream"}
    )


def begin(api, image, name, **method):
    return api.post(f"/images/{image}/import", json={"method": {"name": name} | method})


def wait(api, image, *statuses):
    """The image with one of the statuses, when its import has ended, which may be a moment later."""
    for _ in range(200):
        found = api.get(f"/images/{image}").json()
        if found["status"] in statuses and "os_glance_import_task" not in found:
            return found
        time.sleep(0.05)
    raise AssertionError(found)


def test_staged_data_are_taken_over(admin, demo, make):
    image = make(demo, None)["id"]
    assert stage(demo, image, b"x" * 1000).status_code == 204
    staged = demo.get(f"/images/{image}").json()
    assert (staged["status"], staged["size"]) == ("uploading", None)
    assert demo.get(f"/images/{image}/file").status_code == 204
    answer = begin(demo, image, "glance-direct")
    assert (answer.status_code, answer.content) == (202, b"")
    imported = wait(demo, image, "active")
    assert (imported["status"], imported["size"]) == ("active", 1000)
    assert demo.get(f"/images/{image}/file").content == b"x" * 1000
    task = settled(admin, demo.get(f"/images/{image}/tasks").json()["tasks"][0]["id"])
    task = demo.get(f"/images/{image}/tasks").json()["tasks"][0]
    assert (task["status"], task["type"]) == ("success", "api_image_import")
    assert task["request_id"] == answer.headers["x-openstack-request-id"]
    assert task["input"]["import_req"]["method"]["name"] == "glance-direct"
    assert task["result"] == {"image_id": image}


def test_an_import_without_staged_data_is_409(demo, make):
    assert begin(demo, make(demo, None)["id"], "glance-direct").status_code == 409
    assert begin(demo, make(demo)["id"], "glance-direct").status_code == 409


@pytest.mark.parametrize("size", [8, 3 << 20])
def test_staged_data_that_are_not_what_they_are_declared_fail_their_import(demo, make, size):
    image = make(demo, None, disk_format="qcow2")["id"]
    assert stage(demo, image, b"no qcow2".ljust(size, b"\0")).status_code == 204
    assert demo.get(f"/images/{image}").json()["status"] == "uploading"
    assert begin(demo, image, "glance-direct").status_code == 202
    found = wait(demo, image, "queued")
    assert (found["size"], found["os_hash_value"], found["os_glance_failed_import"]) == (None, None, "fs")
    task = demo.get(f"/images/{image}/tasks").json()["tasks"][0]
    assert task["status"] == "failure" and "declared as qcow2" in task["message"]
    assert stage(demo, image, b"again").status_code == 204


def test_data_are_staged_once(demo, make):
    image = make(demo, None)["id"]
    assert stage(demo, image, b"one").status_code == 204
    assert stage(demo, image, b"two").status_code == 409
    assert (
        demo.put(f"/images/{image}/stage", content=b"x", headers={"Content-Type": "text/plain"}).status_code
        == 415
    )


def test_staged_data_go_with_their_image(world, demo, make):
    image = make(demo, None)["id"]
    stage(demo, image, b"one")
    folder = world.cloud.settings.state / "staging"
    assert len(list(folder.glob("*/*"))) == 1
    assert demo.delete(f"/images/{image}").status_code == 204
    deadline = time.time() + 5
    while list(folder.glob("*/*")) and time.time() < deadline:
        time.sleep(0.05)
    assert list(folder.glob("*/*")) == []


def test_data_are_fetched_from_a_url(demo, make, web):
    image = make(demo, None)["id"]
    assert begin(demo, image, "web-download", uri=web + "/moved").status_code == 202
    found = wait(demo, image, "active")
    assert found["size"] == len(DATA)
    assert (found["os_glance_failed_import"], found["os_glance_importing_to_stores"]) == ("", "")
    assert "os_glance_import_task" not in found
    assert demo.get(f"/images/{image}/file").content == DATA


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/missing", "404"),
        ("/short", "ended after"),
        ("/moved/for/ever", "redirects"),
    ],
)
def test_a_failed_fetch_queues_the_image_again_and_says_why(demo, make, web, path, words):
    image = make(demo, None)["id"]
    begin(demo, image, "web-download", uri=web + path)
    found = wait(demo, image, "queued")
    assert found["os_glance_failed_import"] == "fs"
    task = demo.get(f"/images/{image}/tasks").json()["tasks"][0]
    assert task["status"] == "failure"
    assert words in task["message"]
    assert begin(demo, image, "web-download", uri=web + "/data").status_code == 202
    assert wait(demo, image, "active")["size"] == len(DATA)


def test_what_is_fetched_is_looked_into(demo, make, web):
    image = make(demo, None, disk_format="qcow2")["id"]
    begin(demo, image, "web-download", uri=web + "/data")
    wait(demo, image, "queued")
    assert "declared as qcow2" in demo.get(f"/images/{image}/tasks").json()["tasks"][0]["message"]


@pytest.mark.parametrize(
    "uri",
    [
        "file:///etc/passwd",
        "ftp://host/x",
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://169.254.169.254/latest",
        "http://[::ffff:127.0.0.1]/",
        "http://0.0.0.0/",
        "http://host:22/",
        "http://user:word@host/",
        "",
        None,
        5,
        "http://",
        "http://[",
        "http://host:x/",
    ],
)
def test_a_uri_that_leads_into_the_cloud_itself_is_400(demo, make, uri):
    image = make(demo, None)["id"]
    assert begin(demo, image, "web-download", uri=uri).status_code == 400
    assert demo.get(f"/images/{image}").json()["status"] == "queued"


def test_a_name_that_leads_into_the_cloud_itself_is_found_out(demo, make):
    image = make(demo, None)["id"]
    assert begin(demo, image, "web-download", uri="http://localhost/").status_code == 202
    wait(demo, image, "queued")
    message = demo.get(f"/images/{image}/tasks").json()["tasks"][0]["message"]
    assert "is not an address that images are fetched from" in message


@pytest.mark.parametrize(
    "body", [{}, {"method": {}}, {"method": {"name": "odd"}}, [], "x", {"method": "x"}, None]
)
def test_bad_bodies_are_400(demo, make, body):
    assert demo.post(f"/images/{make(demo, None)['id']}/import", json=body).status_code == 400


def test_others_do_not_import(admin, demo, alice, make):
    private, public = make(demo, None)["id"], make(admin, None, visibility="public")["id"]
    assert begin(alice, private, "glance-direct").status_code == 404
    assert alice.get(f"/images/{private}/tasks").status_code == 404
    assert begin(alice, public, "glance-direct").status_code == 403
    assert alice.get(f"/images/{public}/tasks").status_code == 404


def test_tasks_are_for_administrators(admin, demo, make):
    image = make(demo, None)["id"]
    stage(demo, image, b"x")
    begin(demo, image, "glance-direct")
    assert demo.get("/tasks").status_code == 403
    listed = admin.get("/tasks?type=api_image_import&sort_key=created_at").json()
    assert listed["schema"] == "/v2/schemas/tasks"
    task = listed["tasks"][0]
    assert task["self"] == f"/v2/tasks/{task['id']}"
    assert settled(admin, task["id"])["result"] == {"image_id": image}
    assert admin.get("/tasks/nothing").status_code == 404
    assert admin.get("/tasks?sort_key=name").status_code == 400
    assert admin.get("/tasks?status=failure").json()["tasks"] == []


def test_an_import_that_died_with_its_process_begins_again(world, demo, make, web):
    from monostack.image.tables import IMAGES, TASKS

    image = make(demo, None)["id"]

    def planned(tx):
        asked = {"import_req": {"method": {"name": "web-download", "uri": web + "/data"}}}
        task = tx.insert(
            TASKS,
            image_id=image,
            type="api_image_import",
            status="processing",
            input=asked,
            token="lost",
            due_at=tx.cloud.clock.after(60),
        )
        properties = {"os_glance_import_task": task["id"]}
        tx.update(IMAGES, {"id": image}, status="importing", upload="lost", properties=properties)

    world.cloud.run(world.cloud.cloud.engine.write(planned))
    assert demo.get(f"/images/{image}").json()["status"] == "importing"
    world.cloud.clock.advance(seconds=61)
    assert wait(demo, image, "active")["size"] == len(DATA)


def new(uri, **properties):
    properties = {"name": "made", "visibility": "public"} | properties
    return {
        "type": "import",
        "input": {"import_from": uri, "import_from_format": "raw", "image_properties": properties},
    }


def settled(api, task):
    for _ in range(100):
        found = api.get(f"/tasks/{task}").json()
        if found["status"] in ("success", "failure"):
            return found
        time.sleep(0.05)
    raise AssertionError(found)


def test_a_task_makes_an_image_and_fetches_its_data(admin, demo, web):
    answer = admin.post("/tasks", json=new(web + "/data"))
    assert answer.status_code == 201, answer.text
    task = answer.json()
    assert answer.headers["Location"].endswith(f"/v2/tasks/{task['id']}")
    assert (task["status"], task["type"], task["result"]) == ("pending", "import", None)
    done = settled(admin, task["id"])
    assert done["status"] == "success"
    image = admin.get(f"/images/{done['result']['image_id']}").json()
    assert (image["name"], image["status"], image["size"]) == ("made", "active", len(DATA))
    assert demo.post("/tasks", json=new(web + "/data")).status_code == 403


def test_a_task_that_fails_takes_its_image_along(admin, web):
    task = admin.post("/tasks", json=new(web + "/missing")).json()["id"]
    failed = settled(admin, task)
    assert (failed["status"], failed["result"]) == ("failure", None)
    assert "404" in failed["message"]
    assert admin.get("/images?name=made").json()["images"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"type": "odd"},
        {"type": "import"},
        {"type": "import", "input": {}},
        new("file:///x"),
        new(5),
        new("http://127.0.0.1/"),
        new("http://host/", disk_format="odd"),
        new("http://host/", min_ram="x"),
        {"type": "api_image_import", "input": {}},
        new("http://host/") | {"odd": 1},
    ],
)
def test_bad_tasks_are_400_and_make_nothing(admin, body):
    assert admin.post("/tasks", json=body).status_code == 400
    assert admin.get("/images").json()["images"] == []
    assert admin.get("/tasks").json()["tasks"] == []
