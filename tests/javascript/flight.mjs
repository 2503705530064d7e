// A client of Arrow Flight made of gRPC and Apache Arrow for JavaScript, as somebody with neither Rust
// nor Python would write it: lists a server's flights, reads a ticket to its end, and prints both.
//
//     node flight.mjs ADDRESS PROTO TICKET
import { once } from "node:events";
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";
import { RecordBatchReader } from "apache-arrow";

const [address, proto, ticket] = process.argv.slice(2);
const definition = loader.loadSync(proto, { defaults: true });
const { FlightService } = grpc.loadPackageDefinition(definition).arrow.flight.protocol;
const client = new FlightService(address, grpc.credentials.createInsecure());

// A message of Flight as Arrow's stream format frames it: a mark, the header's length, the header filled
// up to eight bytes, the body.
function* framed({ dataHeader, dataBody }) {
  const header = Buffer.alloc(Math.ceil(dataHeader.length / 8) * 8);
  dataHeader.copy(header);
  const prefix = Buffer.alloc(8);
  prefix.writeUInt32LE(0xffffffff, 0);
  prefix.writeInt32LE(header.length, 4);
  yield prefix;
  yield header;
  if (dataBody.length > 0) yield dataBody;
}

const flights = [];
const listing = client.listFlights({ expression: Buffer.alloc(0) });
listing.on("data", (info) => flights.push(info.flightDescriptor.path.map(String).join("/")));
await once(listing, "end");

const chunks = [];
for await (const data of client.doGet({ ticket: Buffer.from(ticket) })) {
  if (data.dataHeader.length > 0) chunks.push(...framed(data));
}
client.close();

const rows = [];
let columns = [];
for (const batch of RecordBatchReader.from(Buffer.concat(chunks))) {
  columns = batch.schema.fields.map((field) => field.name);
  const column = (name) => batch.getChild(name);
  const [ids, agents, steps] = ["episode_id", "agent_id", "step"].map(column);
  const [actions, rewards, policies] = ["action", "reward", "policy"].map(column);
  for (let i = 0; i < batch.numRows; i++) {
    const numbers = [agents.get(i), steps.get(i), actions.get(i), rewards.get(i)];
    const mask = Buffer.from(batch.getChild("action_mask").get(i)).toString("hex");
    rows.push([ids.get(i).toString(), ...numbers, policies.get(i), mask]);
  }
}
console.log(JSON.stringify({ flights, columns, rows }));
