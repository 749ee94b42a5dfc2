"""A plan is performed: namespaces, batches of netlink messages, sysctls and firewall rules."""
