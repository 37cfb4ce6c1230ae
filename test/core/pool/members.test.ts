import { expect, test } from "vitest";
import {
  ask,
  asked,
  CHAT,
  contentOf,
  open,
  served,
  steady,
  streamedText,
  TEXT,
} from "../http/pool-rig.ts";

const slowly = () => new Promise<void>((resolve) => setTimeout(resolve, 2));
const A = { name: "n0", origin: "http://node-0" };
const B = { name: "n1", origin: "http://node-1" };

test("a node that is taken out finishes what it has, and gets nothing more", async () => {
  const { edge, pool, nodes, logs } = await open([steady({ pace: slowly }), steady()]);
  pool.setNodes([A]);
  const running = await edge.post(CHAT, { ...ask, stream: true });
  expect(served(running)).toContain('"n0"');
  const metrics = async () => (await edge.get("/metrics")).text();
  expect(await metrics()).toContain('sirocco_pool_node_in{node="n0"} 1');
  pool.setNodes([B]);
  await pool.tend();
  const nodesNow = () => pool.nodes().map(({ name, standing }) => [name, standing]);
  expect(nodesNow()).toEqual([
    ["n1", "in"],
    ["n0", "out"],
  ]);
  const next = await edge.post(CHAT, ask);
  expect([served(next)?.includes('"n1"'), await contentOf(next)]).toEqual([true, TEXT]);
  expect(await streamedText(running)).toBe(TEXT);
  expect(nodesNow()).toEqual([["n1", "in"]]);
  expect(asked(nodes)).toEqual([1, 1]);
  expect(await metrics()).toContain('sirocco_pool_node_in{node="n0"} 0');
  expect(await metrics()).toContain('sirocco_pool_node_in{node="n1"} 1');
  const told = logs.map(({ event, node, running: left }) => [event, node, left]);
  expect(told).toContainEqual(["pool_node_removed", "n0", 1]);
  expect(told).toContainEqual(["pool_node_added", "n1", undefined]);
});

test("one that stays keeps what is known of it, one that moves is looked at anew", async () => {
  const { pool, sent } = await open([steady(), steady()]);
  const before = sent.length;
  pool.setNodes([B, { ...A, origin: "http://node-1" }]);
  expect(pool.nodes().map(({ models }) => models.length)).toEqual([1, 0]);
  await pool.tend();
  expect(sent.slice(before).map(({ url }) => url)).toEqual([
    "http://node-1/readyz",
    "http://node-1/v1/models",
  ]);
});

test("the loss of a node that has been taken out meanwhile is nobody's", async () => {
  const { edge, pool, cuts } = await open([steady({ pace: slowly }), steady()]);
  pool.setNodes([A]);
  cuts.push(4);
  const running = await edge.post(CHAT, { ...ask, stream: true });
  pool.setNodes([B]);
  await pool.tend();
  expect(await streamedText(running)).toBe(TEXT);
});
