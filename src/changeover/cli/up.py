"""`changeover up`: a whole project on this machine, simulated PLCs included."""

from __future__ import annotations

from pathlib import Path

import click

from changeover.cli.common import fail, load, project_argument


@click.command("up")
@project_argument
@click.option("--no-restart", is_flag=True, help="Leave a process that ended as it is.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the archives of alarm, trend and report servers in this folder instead of PROJECT/data.",
)
@click.option(
    "--trace-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write each process's trace (JSON lines) into this folder.",
)
def command(folder: Path, no_restart: bool, data: Path | None, trace_dir: Path | None) -> None:
    """Run every server and client of PROJECT on this machine, one process each, until Ctrl-C.

    Devices on loopback addresses are simulated; others must be there.
    """
    from ipaddress import IPv4Address

    from changeover.runtime.process import (
        NotRunnableError,
        check_runnable,
        kernel_notes,
        nodes_of,
        registers_needed,
        run_loop,
    )
    from changeover.runtime.supervisor import Job, Supervisor, own_command

    plant = load(folder).plant
    try:
        check_runnable(plant)
    except NotRunnableError as error:
        fail(str(error))
    away = [c.name for c in plant.computers if not all(IPv4Address(a).is_loopback for _, a in c.addresses)]
    if away:
        fail(
            f"{', '.join(away)} not on loopback: `up` runs a whole project on this machine; "
            f"on a real network use `changeover run {folder} --computer NAME` on each computer"
        )
    addresses = dict.fromkeys(u.address for device in plant.io_devices for u in device.units)
    simulated = [address for address in addresses if IPv4Address(address.host).is_loopback]
    registers = str(registers_needed(plant.tags))
    jobs = [
        Job(f"PLC {a}", own_command("plc", "--address", str(a), "--registers", registers)) for a in simulated
    ]
    more: tuple[str, ...] = ("--trace-dir", str(trace_dir)) if trace_dir else ()
    more += ("--data", str(data)) if data else ()
    clients = {client.name for client in plant.clients}
    for computer in plant.computers:
        for node in nodes_of(plant, computer.name):
            arguments = ("run", str(folder), "--computer", computer.name, "--node", node, *more)
            jobs.append(Job(node, own_command(*arguments), waits=node in clients))
    for note in kernel_notes(plant):
        click.echo(f"warning: {note}", err=True)
    click.echo(f"{plant.name}: {len(jobs)} processes; Ctrl-C stops them all")
    click.echo(f"in another terminal: changeover watch {folder} --client {plant.clients[0].name}")
    raise SystemExit(run_loop(lambda: Supervisor(jobs, not no_restart, click.echo).run()))
