"""Where the kernel decides, whoever runs the plant hears when it is set otherwise than forecast (D2)."""

from changeover.model.stack import LinuxStack, NetworkProtocol
from changeover.runtime.process import kernel_notes
from plants import two_server_plant


def test_a_kernel_that_is_set_otherwise_is_told(tmp_path):
    (tmp_path / "tcp_retries2").write_text("15\n")
    (tmp_path / "tcp_syn_retries").write_text("6\n")
    plant = two_server_plant("5.0", network_protocol=NetworkProtocol.LINUX, linux=LinuxStack(retries2=5))
    (note,) = kernel_notes(plant, tmp_path)
    assert note.startswith("net.ipv4.tcp_retries2 is 15 on this computer, and 5 in [linux] of plant.toml")
    (tmp_path / "tcp_retries2").write_text("5\n")
    assert kernel_notes(plant, tmp_path) == ()


def test_where_sessions_acknowledge_the_kernel_is_not_looked_at(tmp_path):
    (tmp_path / "tcp_retries2").write_text("15\n")
    assert kernel_notes(two_server_plant("5.0"), tmp_path) == ()
