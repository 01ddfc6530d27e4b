// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.config.litellm;

import java.io.StringReader;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.error.MarkedYAMLException;
import org.yaml.snakeyaml.error.YAMLException;
import org.yaml.snakeyaml.nodes.MappingNode;
import org.yaml.snakeyaml.nodes.Node;
import org.yaml.snakeyaml.nodes.NodeTuple;
import org.yaml.snakeyaml.nodes.ScalarNode;
import org.yaml.snakeyaml.nodes.SequenceNode;
import org.yaml.snakeyaml.nodes.Tag;

/**
 * Reads YAML into a {@link YamlNode}. This is the only class that depends on SnakeYAML, which is
 * optional. No object is created from what a file names, and no message quotes the file, because a
 * password may stand in it.
 */
final class YamlReader {
  private static final int LEVELS = 20;
  private static final int ALIASES = 1000;
  private static final Set<Tag> PLAIN =
      Set.of(
          Tag.STR,
          Tag.INT,
          Tag.FLOAT,
          Tag.BOOL,
          Tag.NULL,
          Tag.TIMESTAMP,
          Tag.MERGE,
          Tag.MAP,
          Tag.SEQ);

  private final String file;

  /**
   * Values already read: one that several aliases name is read once, so that aliases cannot
   * multiply it.
   */
  private final IdentityHashMap<Node, YamlNode> read = new IdentityHashMap<>();

  private final Set<Node> underWay = Collections.newSetFromMap(new IdentityHashMap<>());

  private YamlReader(String file) {
    this.file = file;
  }

  static YamlNode read(String file, String text) {
    LoaderOptions options = new LoaderOptions();
    options.setNestingDepthLimit(LEVELS);
    options.setMaxAliasesForCollections(ALIASES);
    options.setCodePointLimit(text.length() + 1);
    try {
      Node root = new Yaml(options).compose(new StringReader(text));
      return root == null
          ? new YamlNode.Mapping(Map.of())
          : new YamlReader(file).tree(root, "the document");
    } catch (MarkedYAMLException e) {
      throw new IllegalArgumentException(file + place(e) + ": must be valid YAML, was not");
    } catch (YAMLException e) {
      throw new IllegalArgumentException(
          file
              + " must be valid YAML of at most "
              + LEVELS
              + " levels and "
              + ALIASES
              + " aliases, was not");
    }
  }

  private static String place(MarkedYAMLException e) {
    return e.getProblemMark() == null
        ? ""
        : " line "
            + (e.getProblemMark().getLine() + 1)
            + ", column "
            + (e.getProblemMark().getColumn() + 1);
  }

  private YamlNode tree(Node node, String path) {
    YamlNode known = read.get(node);
    if (known != null) {
      return known;
    }
    if (!PLAIN.contains(node.getTag())) {
      throw wrong(node, path + " must not have a tag of its own, had one");
    }
    if (!underWay.add(node)) {
      throw wrong(node, path + " must not contain itself, did");
    }
    YamlNode tree = anew(node, path);
    underWay.remove(node);
    read.put(node, tree);
    return tree;
  }

  private YamlNode anew(Node node, String path) {
    if (node instanceof MappingNode mapping) {
      return mapping(mapping, path.equals("the document") ? "" : path + ".");
    }
    if (node instanceof SequenceNode sequence) {
      List<YamlNode.Item> items = new ArrayList<>();
      for (Node item : sequence.getValue()) {
        items.add(item(item, tree(item, path + "[" + items.size() + "]")));
      }
      return new YamlNode.Sequence(List.copyOf(items));
    }
    return new YamlNode.Scalar(((ScalarNode) node).getValue(), node.getTag().equals(Tag.NULL));
  }

  private YamlNode mapping(MappingNode node, String prefix) {
    Map<String, YamlNode.Item> entries = new LinkedHashMap<>();
    Map<String, YamlNode.Item> merged = new LinkedHashMap<>();
    for (NodeTuple tuple : node.getValue()) {
      Node key = tuple.getKeyNode();
      if (key.getTag().equals(Tag.MERGE)) {
        merge(tuple.getValueNode(), prefix + "<<", merged);
        continue;
      }
      String path = prefix + name(key, prefix);
      YamlNode.Item item = item(key, tree(tuple.getValueNode(), path));
      YamlNode.Item before = entries.put(name(key, prefix), item);
      // For other keys the last one counts; a supported key must be unambiguous.
      if (before != null && SupportedKeys.isHonoured(name(key, prefix))) {
        throw wrong(key, path + " must stand once, stood on line " + before.line() + " too");
      }
    }
    merged.forEach(entries::putIfAbsent);
    return new YamlNode.Mapping(Collections.unmodifiableMap(entries));
  }

  /**
   * Merges YAML's {@code <<}: the keys of another mapping, or for each key the first of several
   * that has it.
   */
  private void merge(Node value, String path, Map<String, YamlNode.Item> into) {
    List<Node> sources = value instanceof SequenceNode list ? list.getValue() : List.of(value);
    for (Node source : sources) {
      if (!(tree(source, path) instanceof YamlNode.Mapping mapping)) {
        throw wrong(value, path + " must be a mapping or a list of mappings, was not");
      }
      mapping.entries().forEach(into::putIfAbsent);
    }
  }

  private String name(Node key, String prefix) {
    if (key instanceof ScalarNode scalar && PLAIN.contains(scalar.getTag())) {
      return scalar.getValue();
    }
    throw wrong(key, prefix + "? must be a plain key, was not");
  }

  private static YamlNode.Item item(Node where, YamlNode value) {
    return new YamlNode.Item(line(where), value);
  }

  private static int line(Node node) {
    return node.getStartMark().getLine() + 1;
  }

  private IllegalArgumentException wrong(Node node, String message) {
    return new IllegalArgumentException(file + " line " + line(node) + ": " + message);
  }
}
