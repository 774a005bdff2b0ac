"""Debian's package, with stand-ins for apt-get and dpkg on the PATH: their ways to fail, and one private update."""

import stat

import pytest

from tasks.sources import debian

UNPACK = """\
if [ "$1" = "-L" ]; then [ -e "$INSTALLED" ] && find "$INSTALLED" && exit 0; exit 1; fi
mkdir -p "$3/usr/share/things" && cp "$2" "$3/usr/share/things/content"
"""
DOWNLOAD = 'case "$*" in *download*) echo packed > thing_1.0_all.deb;; esac'
ONLY_WITH_OWN_LISTS = """\
case "$*" in
*Dir::State::Lists=*update*) : > lists/known;;
*Dir::State::Lists=*download*) [ -e lists/known ] && echo packed > thing_1.0_all.deb;;
*) echo "E: Unable to locate package thing" >&2; exit 100;;
esac
"""


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Put stand-in programs, shell scripts, before all others on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def write(**scripts):
        for name, script in scripts.items():
            path = folder / name.replace("_", "-")
            path.write_text(f"#!/bin/sh\n{script}")
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin" if scripts else str(folder))

    return write


@pytest.mark.parametrize("script", [DOWNLOAD, ONLY_WITH_OWN_LISTS])
def test_a_package_is_downloaded_unpacked_and_nothing_of_it_left(programs, tmp_path, script):
    programs(apt_get=script, dpkg=UNPACK)
    room = tmp_path / "out with a space"
    room.mkdir()
    with debian.downloaded("thing", room) as folders:
        assert [(folder / "content").read_text() for folder in folders] == ["packed\n"]
    assert list(room.iterdir()) == []


def test_the_last_complaint_of_apt_is_the_reason(programs, tmp_path):
    programs(apt_get='echo "W: old" >&2; echo "E: No network" >&2; exit 100', dpkg=UNPACK)
    with pytest.raises(debian.NoPackage, match=r"^E: No network$"), debian.downloaded("thing", tmp_path):
        pass


def test_an_apt_that_downloads_nothing_is_noticed(programs, tmp_path):
    programs(apt_get="exit 0", dpkg=UNPACK)
    with pytest.raises(debian.NoPackage, match="downloaded nothing"), debian.downloaded("thing", tmp_path):
        pass


def test_an_apt_that_hangs_is_given_up(programs, tmp_path, monkeypatch):
    programs(apt_get="exec sleep 60", dpkg=UNPACK)
    monkeypatch.setattr(debian, "TIMEOUT", 0.1)
    with pytest.raises(debian.NoPackage, match="no answer within"), debian.downloaded("thing", tmp_path):
        pass


def test_a_system_without_the_programs_is_told_which(programs, tmp_path):
    programs()
    with pytest.raises(debian.NoPackage, match="no apt-get and no dpkg"), debian.downloaded("thing", tmp_path):
        pass
    with pytest.raises(debian.NoPackage, match="no dpkg"):
        debian.installed_folders("thing")


def test_the_folders_of_an_installed_package_are_listed(programs, tmp_path, monkeypatch):
    programs(dpkg=UNPACK)
    monkeypatch.setenv("INSTALLED", str(tmp_path / "installed"))
    with pytest.raises(debian.NoPackage, match="not installed"):
        debian.installed_folders("thing")
    (tmp_path / "installed" / "deep").mkdir(parents=True)
    (tmp_path / "installed" / "deep" / "file").touch()
    assert debian.installed_folders("thing") == [tmp_path / "installed" / "deep"]


def test_apt_is_asked_as_root_with_a_limit_and_where_it_may_write_lists(tmp_path, monkeypatch):
    asked = []

    def call(command, room):
        asked.append(command)
        if len(asked) == 1:
            raise debian.NoPackage("no lists")
        if len(asked) == 2:
            assert (tmp_path / "lists/partial").is_dir() and (tmp_path / "cache/archives/partial").is_dir()
        if len(asked) == 3:
            (tmp_path / "thing.deb").touch()

    monkeypatch.setattr(debian, "_call", call)
    assert debian._download("thing", tmp_path) == tmp_path / "thing.deb"
    limits = "apt-get -q -o APT::Sandbox::User=root -o Acquire::Retries=2 -o Acquire::http::Timeout=30"
    own = f"-o Dir::State::Lists={tmp_path}/lists -o Dir::Cache={tmp_path}/cache"
    assert [" ".join(command) for command in asked] == [
        f"{limits} download thing", f"{limits} {own} update", f"{limits} {own} download thing"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("nothing known", "sh ended with code 3"),
        ("E: one\nW: two\n dpkg: three", "E: one"),
        ("E: one\ndpkg: two", "dpkg: two"),
    ],
)
def test_a_command_that_fails_is_told_by_its_last_complaint_or_its_code(tmp_path, said, reason):
    with pytest.raises(debian.NoPackage) as error:
        debian._call(
            ["sh", "-c", f"[ $LC_ALL $DEBIAN_FRONTEND = C noninteractive ]; echo '{said}' >&2; exit 3"], tmp_path
        )
    assert str(error.value) == reason
    debian._call(["sh", "-c", "test $LC_ALL = C && test $DEBIAN_FRONTEND = noninteractive && pwd > here"], tmp_path)
    assert (tmp_path / "here").read_text().strip() == str(tmp_path)


def test_an_apt_that_is_given_up_is_named_with_its_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(debian, "TIMEOUT", 0.05)
    with pytest.raises(debian.NoPackage, match=r"^sleep gave no answer within 0\.05 seconds$"):
        debian._call(["sleep", "9"], tmp_path)
