/** The one class of google-protobuf that is made here; it ships without types. */
declare module 'google-protobuf/google/protobuf/timestamp_pb.js' {
  const timestamps: { Timestamp: new () => { setSeconds(seconds: number): void } };
  export default timestamps;
}
