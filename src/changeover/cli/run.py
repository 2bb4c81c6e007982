"""`changeover run`: one computer's servers and clients, or one of them."""

from __future__ import annotations

from pathlib import Path

import click

from changeover.cli.common import choose, fail, load, project_argument


@click.command("run")
@project_argument
@click.option("--computer", required=True, help="The computer whose servers and clients run here.")
@click.option("--node", help="Run only this server or client, in this very process.")
@click.option("--version", help="Another product version than plant.toml's.")
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
def command(
    folder: Path,
    computer: str,
    node: str | None,
    version: str | None,
    no_restart: bool,
    data: Path | None,
    trace_dir: Path | None,
) -> None:
    """Run the servers and clients of one computer of PROJECT, one process each, until SIGTERM."""
    from changeover.runtime.process import (
        DATA_FOLDER,
        NotRunnableError,
        Place,
        check_runnable,
        kernel_notes,
        nodes_of,
        run_loop,
        run_node,
    )
    from changeover.runtime.supervisor import Job, Supervisor, own_command

    plant = load(folder, version).plant
    name = choose("computer", computer, [c.name for c in plant.computers])
    nodes = nodes_of(plant, name)
    try:
        check_runnable(plant)
    except NotRunnableError as error:
        fail(str(error))
    if not nodes:
        fail(f"computer {name} has no server and no client")
    if trace_dir is not None:
        try:
            trace_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            fail(f"--trace-dir {trace_dir}: {error.strerror}")
    if node is not None:
        place = Place(folder, data or folder / DATA_FOLDER, trace_dir)
        raise SystemExit(run_node(plant, choose(f"server or client on {name}", node, nodes), place))
    for note in kernel_notes(plant):
        click.echo(f"warning: {note}", err=True)
    more: tuple[str, ...] = ("--trace-dir", str(trace_dir)) if trace_dir else ()
    more += ("--data", str(data)) if data else ()
    more += ("--version", version) if version else ()
    clients = {client.name for client in plant.clients}
    command = ("run", str(folder), "--computer", name)
    jobs = [Job(n, own_command(*command, "--node", n, *more), waits=n in clients) for n in nodes]
    raise SystemExit(run_loop(lambda: Supervisor(jobs, not no_restart, click.echo).run()))
