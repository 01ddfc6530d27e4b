// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.simulation;

import dev.offmeter.simulation.VirtualNode.Reachability;
import java.time.Duration;

/** The outages that a node can have, and how each looks from where the calls are made. */
enum Outage {
  /** Silence until the edge notices; when the power is back, a boot. */
  POWER_CUT {
    @Override
    void begin(VirtualNode node, Duration lasts) {
      node.ollama().restart();
      goesSilent(node);
      node.time().in(lasts.plus(Assumptions.BOOT), () -> starts(node));
    }
  },
  /** A restart in good order. */
  UPDATE {
    @Override
    void begin(VirtualNode node, Duration lasts) {
      node.ollama().restart();
      node.setReachability(Reachability.TUNNEL_DOWN);
      node.time().in(lasts, () -> starts(node));
    }
  },
  /** The tunnel's process is restarted, or its connection broken. */
  TUNNEL_DROP {
    @Override
    void begin(VirtualNode node, Duration lasts) {
      node.setReachability(Reachability.TUNNEL_DOWN);
      node.time().in(lasts, () -> node.setReachability(Reachability.ANSWERS));
    }
  },
  /** The line to the house is dead: silence until the edge notices. */
  LINE_CUT {
    @Override
    void begin(VirtualNode node, Duration lasts) {
      goesSilent(node);
      node.time().in(lasts, () -> node.setReachability(Reachability.ANSWERS));
    }
  },
  /** Everything hangs, health checks too, until a person or a watchdog restarts the machine. */
  FREEZE {
    @Override
    void begin(VirtualNode node, Duration lasts) {
      node.setReachability(Reachability.SILENT);
      node.time().in(lasts, () -> UPDATE.begin(node, Assumptions.BOOT));
    }
  },
  /** The engine hangs, while the server says that all is well. */
  WEDGED_SILENT {
    @Override
    void begin(VirtualNode node, Duration lasts) {
      wedges(node, VirtualOllama.Wedge.SILENT, lasts);
    }
  },
  /** The engine fails at every call, while the server says that all is well. */
  WEDGED_ERRORS {
    @Override
    void begin(VirtualNode node, Duration lasts) {
      wedges(node, VirtualOllama.Wedge.ERRORS, lasts);
    }
  },
  /** Another user asks for another model, and the server has room for one. */
  OTHER_MODEL {
    @Override
    void begin(VirtualNode node, Duration lasts) {
      node.ollama().evictModel();
    }
  },
  /** The host is there, its server is not. */
  SERVICE_STOPPED {
    @Override
    void begin(VirtualNode node, Duration lasts) {
      node.setReachability(Reachability.REFUSES);
      node.time().in(lasts, () -> node.setReachability(Reachability.ANSWERS));
    }
  },
  /** Nothing is at its address. */
  HOST_GONE {
    @Override
    void begin(VirtualNode node, Duration lasts) {
      node.setReachability(Reachability.GONE);
      node.time().in(lasts, () -> node.setReachability(Reachability.ANSWERS));
    }
  };

  /** Begins the outage now; it ends by itself after {@code lasts}. */
  abstract void begin(VirtualNode node, Duration lasts);

  private static void goesSilent(VirtualNode node) {
    node.setReachability(Reachability.SILENT);
    node.time().in(Assumptions.EDGE_NOTICES, () -> node.setReachability(Reachability.TUNNEL_DOWN));
  }

  private static void starts(VirtualNode node) {
    node.setReachability(Reachability.NO_SERVER);
    node.time().in(Assumptions.OLLAMA_STARTS, () -> node.setReachability(Reachability.ANSWERS));
  }

  private static void wedges(VirtualNode node, VirtualOllama.Wedge how, Duration lasts) {
    node.ollama().setWedge(how);
    node.time()
        .in(
            lasts,
            () -> {
              node.ollama().restart();
              starts(node);
            });
  }
}
