"""A project on disk, changed in few words, and what one rule finds in it."""

from __future__ import annotations

import re

from changeover.guide.check import RULES, check
from folders import Folder

_RULES = {rule.name: rule for rule in RULES}


def found(folder: Folder, rule: str) -> list[str]:
    """What a rule finds, such as `citect.ini:2 [LAN]SendTimeout: has no effect`; of readers, too."""
    return [
        f"{one.file.removeprefix(f'{folder.path}/')}:{one.line or '-'} {one.parameter}: {one.problem}"
        for one in check(folder.load(), [_RULES[rule]])
        if one.rule == rule
    ]


def places(folder: Folder, rule: str) -> list[str]:
    """Only where."""
    return [one.partition(": ")[0] for one in found(folder, rule)]


def ini(folder: Folder, *lines: str) -> None:
    """Write a citect.ini."""
    folder.write("citect.ini", "".join(f"{line}\n" for line in lines))


def version(folder: Folder, text: str) -> None:
    """Give the plant another version."""
    plant = folder.read("plant.toml")
    folder.write(
        "plant.toml", re.sub(r'^version = "[^"]*"', f'version = "{text}"', plant, flags=re.MULTILINE)
    )


def network_protocol(folder: Folder, text: str) -> None:
    """Give the plant another network protocol."""
    plant = folder.read("plant.toml")
    folder.write("plant.toml", re.sub(r'^network_protocol = "\w*"', f'network_protocol = "{text}"', plant,
                                      flags=re.MULTILINE))  # fmt: skip


def without_servers(folder: Folder, *functions: str) -> None:
    """Take the alarm, trend or report servers out."""
    plant = folder.read("plant.toml")
    for function in functions:
        plant = re.sub(rf"\[\[{function}_server\]\]\n(?:\w.*\n)+", "", plant)
    folder.write("plant.toml", plant)


def table(folder: Folder, header: str, **values: object) -> None:
    """Append a table to plant.toml, `[[header]]` one of an array; texts are quoted."""
    written = (
        f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}"
        for key, value in values.items()
    )
    folder.append("plant.toml", "\n".join((f"\n{header}", *written)) + "\n")


def device(folder: Folder, name: str, *units: tuple[str, str], protocol: str = "MODNET") -> None:
    """Append an I/O device with units of (I/O server, address), the first of which is primary."""
    number = folder.read("plant.toml").count("[[io_device]]") + 1
    table(folder, "[[io_device]]", name=name, number=number, protocol=protocol)
    for place, (server, address) in enumerate(units):
        mode = "standby" if place else "primary"
        table(folder, "[[io_device.unit]]", io_server=server, mode=mode, address=address)


def one_more_unit(folder: Folder, server: str, address: str) -> None:
    """Give the last I/O device one more standby unit."""
    table(folder, "[[io_device.unit]]", io_server=server, mode="standby", address=address)


def port_name(folder: Folder, address: str, name: str) -> None:
    """Name the port of a unit."""
    folder.replace("plant.toml", f'address = "{address}"', f'port_name = "{name}"\naddress = "{address}"')


def one_more_computer(folder: Folder, name: str, **addresses: str) -> None:
    """Append a computer."""
    inline = ", ".join(f'{lan} = "{address}"' for lan, address in addresses.items())
    folder.append("plant.toml", f'\n[[computer]]\nname = "{name}"\naddresses = {{ {inline} }}\n')


def second_lan(folder: Folder, *computers: str) -> None:
    """Append LAN_B, with these computers on it."""
    table(folder, "[[lan]]", name="LAN_B", subnet="127.11.0.0/16")
    for place, computer in enumerate(computers, 11):
        start = f'name = "{computer}"\naddresses = {{ '
        folder.replace("plant.toml", start, f'{start}LAN_B = "127.11.0.{place}", ')
