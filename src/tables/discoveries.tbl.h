/* SPDX-License-Identifier: MIT
 * Where endpoints are discovered: DISCOVERY(id, "name", "what follows the colon").
 * The names are the first words of `discover =`. */
DISCOVERY(DNS, "dns", "dns:NAME:PORT, or dns:NAME:PORT@SERVER[:PORT] to ask that name server")
DISCOVERY(SRV, "srv", "srv:NAME, such as srv:_http._tcp.example.com, or srv:NAME@SERVER[:PORT]")
DISCOVERY(FILE, "file", "file:/PATH, one ADDR:PORT [weight=N] [backup] a line")
DISCOVERY(EXEC, "exec", "exec:COMMAND, which prints such lines")
DISCOVERY(CONSUL, "consul", "consul:SERVICE, or consul:SERVICE?tag=T&dc=D")
DISCOVERY(K8S, "k8s", "k8s:NAMESPACE/SERVICE, or k8s:NAMESPACE/SERVICE:PORT with a port's name or number")
#undef DISCOVERY
