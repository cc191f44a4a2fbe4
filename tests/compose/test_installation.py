"""An installation from docker-compose.yml: it is healthy, keeps the protocol, and is contained as it should be."""

import json
import secrets
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from deploy.verify.deployment import Deployment
from deploy.verify.wire import dial
from tests.support.browser.launch import chromium
from tests.support.compose import SERVICES, STORES, ComposeError, Project, docker, inspect
from tests.support.processes import ROOT

ASK = (
    "import sys, urllib.request as u; sys.stdout.buffer.write(u.urlopen('http://127.0.0.1:8080' + sys.argv[1]).read())"
)
PASSWORD = "correct horse battery"


def test_every_part_is_healthy_and_has_metrics(project: Project) -> None:
    for service in SERVICES:
        ready = json.loads(project.exec(service, "python", "-c", ASK, "/health/ready"))
        assert ready["status"] == "ok", ready
        assert "# TYPE parley_" in project.exec(service, "python", "-c", ASK, "/metrics")
    assert project.state("migrate")["ExitCode"] == 0


def test_only_the_gateway_is_published_and_on_this_machine_alone(project: Project) -> None:
    published = {}
    for container in inspect(*project.containers()):
        bound = [each for ports in container["NetworkSettings"]["Ports"].values() for each in ports or ()]
        published[container["Config"]["Labels"]["com.docker.compose.service"]] = {each["HostIp"] for each in bound}
    assert published == {**{name: set() for name in (*SERVICES, *STORES)}, "gateway": {"127.0.0.1"}}
    backend = json.loads(docker("network", "inspect", f"{project.name}_backend"))[0]
    assert backend["Internal"]


async def test_two_people_talk_over_http_and_a_socket(project: Project) -> None:
    async with Deployment(project.url) as deployment:
        ann, ben = await deployment.new_account("ann"), await deployment.new_account("ben")
        async with dial(deployment.socket_url, token=ben.token) as wire:
            await wire.hello("phone")
            sent = await deployment.http.post(
                f"/messages/send/{ben.username}/", json={"content": "over HTTP"}, headers=ann.headers
            )
            assert sent.status_code == httpx.codes.CREATED
            assert (await wire.expect("message"))["content"] == "over HTTP"
            await wire.send({"type": "message", "id": "one", "to": ann.username, "content": "over a socket"})
            await wire.expect("ack")
        page = await deployment.http.get(f"/messages/history/{ben.username}/", headers=ann.headers)
        assert [each["content"] for each in page.json()["messages"]] == ["over HTTP", "over a socket"]


async def test_two_people_talk_in_a_browser(project: Project) -> None:
    async with chromium() as browser:
        ann, ben = f"ann-{secrets.token_hex(4)}", f"ben-{secrets.token_hex(4)}"
        one, other = await signed_up(browser, project, ann), await signed_up(browser, project, ben)
        await one.get_by_label("Search chats and people").fill(ben)
        await one.get_by_role("navigation", name="Conversations").get_by_role("button", name=ben).click()
        box = one.get_by_role("textbox", name="Message to")
        await box.fill("Hello out of a container")
        await box.press("Enter")
        await other.get_by_role("navigation", name="Conversations").get_by_role("link", name=ann).click()
        await expect(other.get_by_role("log").get_by_text("Hello out of a container")).to_be_visible()
        await expect(one.get_by_role("log").get_by_role("button", name="Read")).to_be_visible()


async def signed_up(browser: Browser, project: Project, name: str) -> Page:
    """Make an account on the page that strangers get."""
    page = await (await browser.new_context(base_url=project.url, locale="en-GB")).new_page()
    await page.goto("/")
    await page.get_by_role("button", name="Sign up").click()
    await page.get_by_label("Username").fill(name)
    await page.get_by_label("Display name").fill(name)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Create account").click()
    await expect(page.get_by_label("Search chats and people")).to_be_visible()
    return page


def test_every_promise_of_the_page_holds(project: Project) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "deploy.verify", "--url", project.url, "--gateway-only", "--patience", "3"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    found = [line for line in run.stdout.splitlines() if not line.startswith(("ok ", "skip "))]
    assert run.returncode == 0, "\n".join([*found, run.stderr])
    skipped = [line for line in run.stdout.splitlines() if line.startswith("skip") and "only the gateway" in line]
    assert len(skipped) == len(SERVICES) - 1  # those are asked above


def test_no_container_may_do_more_than_it_must(project: Project) -> None:
    containers = inspect(*project.containers())
    assert len(containers) == len(SERVICES) + len(STORES)
    for container in containers:
        host, name = container["HostConfig"], container["Name"]
        assert container["Config"]["User"] not in {"", "0", "root", "0:0"}, name
        assert host["ReadonlyRootfs"], name
        assert not host["Privileged"], name
        assert host["CapDrop"] == ["ALL"], name
        assert not host["CapAdd"], name
        assert host["SecurityOpt"] == ["no-new-privileges:true"], name
        assert host["Memory"] > 0, name
        assert host["PidsLimit"] > 0, name
        assert host["RestartPolicy"]["Name"] == "unless-stopped", name
        assert host["LogConfig"]["Config"]["max-size"], name
    for service in (*SERVICES, "postgres"):
        status = project.exec(service, "cat", "/proc/1/status")
        capabilities = [
            line.split()[1] for line in status.splitlines() if line.startswith(("CapEff", "CapPrm", "CapBnd"))
        ]
        assert {int(each, 16) for each in capabilities} == {0}, (service, capabilities)
    with pytest.raises(ComposeError, match="Read-only file system"):
        project.exec("delivery", "touch", "/opt/venv/mine")


def test_no_secret_is_told_by_the_engine_in_a_log_or_in_an_image(project: Project, tmp_path: Path) -> None:
    seen = {
        "the containers": json.dumps(inspect(*project.containers(every=True))),
        "the logs": project.logs(),
        "the project": project.compose("config"),
    }
    for service in (*SERVICES, "cli"):
        image = f"parley-test-{service}:{project.version}"
        seen[image] = docker("image", "inspect", image) + docker("history", "--no-trunc", image)
    for value in secret_values(project):
        assert not [where for where, text in seen.items() if value in text]
    archive = tmp_path / "cli.tar"
    docker("create", "--name", f"{project.name}-look", f"parley-test-cli:{project.version}")
    try:
        docker("export", "--output", str(archive), f"{project.name}-look")
    finally:
        docker("rm", f"{project.name}-look")
    with tarfile.open(archive) as files:
        names = files.getnames()
    project_files = [name for name in names if "/site-packages/deploy/" in name or "/site-packages/services/" in name]
    assert project_files
    assert not [name for name in names if name.endswith((".nk", ".env")) or "database_url" in name]
    assert not [name for name in names if "node_modules" in name or ("/tests/" in name and "/opt/" in name)]


def secret_values(project: Project) -> Iterator[str]:
    """What must be in no other place than its file."""
    for file in project.secrets.iterdir():
        text = file.read_text().strip()
        if file.suffix == ".nk" or file.name.endswith("_password"):
            yield text
    url = (project.secrets / "database_url").read_text().strip()
    yield url.partition("://")[2].partition("@")[0].partition(":")[2]


def test_without_secrets_nothing_starts_and_a_container_can_make_them(images: None, tmp_path: Path) -> None:
    with Project(tmp_path) as project:
        made = {file.name for file in project.secrets.iterdir()}
        shutil.rmtree(project.secrets)
        with pytest.raises(ComposeError, match="made-by-parley-init"):
            project.up()
        assert not [each for each in inspect(*project.containers(every=True)) if each["State"]["Running"]]
        assert not project.secrets.exists()
        project.run("init")
        assert {file.name for file in project.secrets.iterdir()} == made
        with pytest.raises(ComposeError, match="nothing is overwritten"):
            project.run("init")
