"""A program of the suite in Python: the real classes of the SDK, with what `model.json` says."""

import json
from typing import Any, Optional

import pulumi
import pulumi_stasis as stasis

config = pulumi.Config()
snapshots: dict[str, stasis.Snapshot] = {}
databases: dict[str, "Database"] = {}


class Database(pulumi.CustomResource):
    """The class of a cloud's database, as an SDK would have it."""

    url: pulumi.Output[str]

    def __init__(self, name: str, wanted: pulumi.Input[str]):
        super().__init__("standin:index:Database", name, {"wanted": wanted, "url": None})


def text_of(text: Any) -> pulumi.Input[str]:
    if isinstance(text, str):
        return text
    if "secret" in text:
        return config.require_secret(text["secret"])
    name, attribute = text["from"]
    if name in databases:
        return databases[name].url
    assert attribute == "reference"
    return snapshots[name].reference


def member_of(member: dict[str, Any]) -> stasis.MemberArgs:
    postgres, redis, files = (member.get(driver) for driver in ("postgres", "redis", "files"))
    return stasis.MemberArgs(
        postgres=postgres
        and stasis.PostgresMemberArgs(url=text_of(postgres["url"]), client_path=postgres.get("clientPath")),
        redis=redis and stasis.RedisMemberArgs(url=text_of(redis["url"])),
        files=files and stasis.FilesMemberArgs(path=text_of(files["path"])),
    )


def options_of(model: dict[str, Any]) -> Optional[pulumi.ResourceOptions]:
    formerly = model.get("formerly")
    return pulumi.ResourceOptions(
        aliases=[pulumi.Alias(name=formerly)] if formerly else None,
        import_=model.get("imports"),
    )


with open("model.json", encoding="utf-8") as file:
    program = json.load(file)

for model in program["resources"]:
    name = model["id"]
    if model["kind"] == "Database":
        databases[name] = Database(name, text_of(model["wanted"]))
        continue
    members = {key: member_of(member) for key, member in model.get("members", {}).items()}
    store = stasis.StoreArgs(path=model["store"]["path"])
    if model["kind"] == "Snapshot":
        snapshots[name] = stasis.Snapshot(
            name,
            name=model["name"],
            members=members,
            store=store,
            triggers=model.get("triggers"),
            probes={
                key: stasis.ProbeArgs(member=probe["member"], command=probe["command"], expect=probe.get("expect"))
                for key, probe in model.get("probes", {}).items()
            },
            max_pause_ms=model.get("maxPauseMs"),
            deletion_policy=model.get("deletionPolicy"),
            opts=options_of(model),
        )
    elif model["kind"] == "Drill":
        stasis.Drill(
            name,
            snapshot=text_of(model["snapshot"]),
            members=members,
            store=store,
            sign=stasis.SigningArgs(key_file=model["sign"]["keyFile"]),
            max_age=model.get("maxAge"),
            triggers=model.get("triggers"),
            opts=options_of(model),
        )
    elif model["kind"] == "Comparison":
        stasis.Comparison(
            name,
            snapshot=text_of(model["snapshot"]),
            other=text_of(model["other"]) if "other" in model else None,
            members=members or None,
            store=store,
            max_age=model.get("maxAge"),
            triggers=model.get("triggers"),
            opts=options_of(model),
        )
    else:
        stasis.Restore(
            name,
            snapshot=text_of(model["snapshot"]),
            members=members,
            store=store,
            triggers=model.get("triggers"),
            opts=options_of(model),
        )
