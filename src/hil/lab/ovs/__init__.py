"""The lab's real data plane: a private Open vSwitch in user space, machines as network namespaces, real frames."""
