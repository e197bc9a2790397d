"""What others install from: manifests of the right shape that agree with the package, and files that are there.

The models below say what the registry's server.json (2025-12-11) and the bundle's manifest (0.4) require and allow.
"""

import json
import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import AnyUrl, BaseModel, ConfigDict, Field, ValidationError

import paste_mcp

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

Version = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^\d+\.\d+\.\d+$")]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)


class Variable(Strict):
    name: str
    description: str = ""
    format: Literal["string", "number", "boolean", "filepath"] = "string"
    isRequired: bool = False
    isSecret: bool = False


class Positional(Strict):
    type: Literal["positional"]
    value: str
    description: str = ""


class Named(Variable):
    type: Literal["named"]


class Stdio(Strict):
    type: Literal["stdio"]


class Package(Strict):
    registryType: Literal["pypi"]
    identifier: str
    version: Version
    runtimeHint: str
    transport: Stdio
    packageArguments: list[Annotated[Positional | Named, Field(discriminator="type")]] = []
    environmentVariables: list[Variable] = []


class ServerJson(Strict):
    schema_: Literal["https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"] = Field(
        alias="$schema"
    )
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$", min_length=3, max_length=200)]
    title: Annotated[str, Field(min_length=1, max_length=100)]
    description: Annotated[str, Field(min_length=1, max_length=100)]
    version: Version
    packages: Annotated[list[Package], Field(min_length=1)]


class Launch(Strict):
    command: str
    args: list[str] = []
    env: dict[str, str] = {}


class UvServer(Strict):
    type: Literal["uv"]
    entry_point: str
    mcp_config: Launch


class Author(Strict):
    name: str


class Setting(Strict):
    type: Literal["string", "number", "boolean", "directory", "file"]
    title: str
    description: str
    required: bool = False


class Runtimes(Strict):
    python: str


class Compatibility(Strict):
    platforms: list[Literal["darwin", "win32", "linux"]]
    runtimes: Runtimes


class Manifest(Strict):
    schema_: AnyUrl = Field(alias="$schema", strict=False)
    manifest_version: Literal["0.4"]
    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    display_name: str
    version: Version
    description: str
    long_description: str
    author: Author
    license: str
    keywords: list[str]
    server: UvServer
    user_config: dict[str, Setting]
    tools_generated: bool
    prompts_generated: bool
    compatibility: Compatibility


def read(name):
    return json.loads((ROOT / name).read_text(encoding="utf-8"))


def test_the_registrys_entry_has_its_shape_and_names_this_package():
    entry = ServerJson.model_validate(read("server.json"))
    (package,) = entry.packages
    assert package.identifier == PROJECT["name"]
    assert f"mcp-name: {entry.name}" in (ROOT / "README.md").read_text(encoding="utf-8")
    with pytest.raises(ValidationError):
        ServerJson.model_validate({**read("server.json"), "another": 1})


def test_the_bundles_manifest_has_its_shape_and_starts_what_is_there():
    manifest = Manifest.model_validate(read("manifest.json"))
    assert (ROOT / manifest.server.entry_point).is_file()
    assert set(re.findall(r"\$\{user_config\.(\w+)\}", " ".join(manifest.server.mcp_config.args))) == set(
        manifest.user_config
    )
    ignored = (ROOT / ".mcpbignore").read_text().splitlines()
    assert not {"pyproject.toml", "README.md", "LICENSE", "paste_mcp/", "servers/", "patterns.yaml"} & set(ignored)


def test_one_version_stands_everywhere():
    versions = {
        paste_mcp.__version__,
        PROJECT["version"],
        read("manifest.json")["version"],
        read("server.json")["version"],
    }
    assert versions == {read("server.json")["packages"][0]["version"]}


def test_the_image_is_made_of_files_that_are_there_and_let_in():
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for name in line.split()[1:-1]:
                assert (ROOT / name).exists(), name
                assert name in let_in, name
